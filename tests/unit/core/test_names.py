"""Names: the type of a field determines what its digest references."""

from typing import Annotated

import pytest
from nightloom.core.manifests import Plain
from nightloom.core.names import BLOB, BlobId, Named, Names, list_names

ThingId = Annotated[str, Names("thing")]


class Inner(Plain):
    file: BlobId
    path: str = "0" * 64


class Outer(Plain):
    one: ThingId | None = None
    many: tuple[ThingId, ...] = ()
    inner: tuple[Inner, ...] = ()
    maybe: Inner | None = None
    by_name: dict[str, ThingId] | None = None
    lines: Annotated[str, Names(BLOB, "lines")] | None = None
    rows_root: str = "f" * 64


@pytest.mark.parametrize(
    ("value", "names"),
    [
        pytest.param(Outer(), [], id="text"),
        pytest.param(Outer(one="a"), [Named("thing", "a")], id="optional"),
        pytest.param(Outer(many=("a", "b")), [Named("thing", "a"), Named("thing", "b")], id="several"),
        pytest.param(Outer(inner=(Inner(file="a"),)), [Named(BLOB, "a")], id="parts"),
        pytest.param(Outer(maybe=Inner(file="a")), [Named(BLOB, "a")], id="optional part"),
        pytest.param(Outer(by_name={"x": "a"}), [Named("thing", "a")], id="values"),
        pytest.param(Outer(lines="a"), [Named(BLOB, "a", "lines")], id="content"),
    ],
)
def test_nested_names_are_found(value: Outer, names: list[Named]) -> None:
    assert list_names(value) == names
