"""Ids: each kind has its own id type, and parameters declare it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import nightloom
import pytest
from nightloom.artifacts import ids
from nightloom.artifacts.kinds import KINDS

PACKAGE = Path(nightloom.__file__).parent

# Things of any kind; rows, items and what else lies within a manifest; Airflow's.
ANY_KIND = {"manifest_id", "expected_id"}
OF_NO_MANIFEST = {"row_id", "row_ids", "item_id", "ticket_id", "twin_id", "dag_id", "run_id", "task_id"}

THINGS = {"adapter", "blueprint", "candidate", "champion", "curated", "evalset", "parity", "snapshot", "verdict"}


def list_texts() -> Iterator[str]:
    """Return the parameters that are named like an id, or like a thing that has one, and are annotated as text."""
    for path in PACKAGE.rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef):
                for one in (*function.args.args, *function.args.kwonlyargs):
                    is_text = one.annotation and re.search(
                        r"(?<!dict\[)\bstr\b", ast.unparse(one.annotation).split("typer.")[0]
                    )
                    if is_text and (one.arg.endswith(("_id", "_ids")) or one.arg in THINGS):
                        yield f"{path.relative_to(PACKAGE)}: {function.name}({one.arg})"


def test_id_parameters_have_their_kind() -> None:
    texts = list(list_texts())
    assert any("row_id" in text for text in texts)
    assert [text for text in texts if text.split("(")[1][:-1] not in ANY_KIND | OF_NO_MANIFEST] == []


@pytest.mark.parametrize("name", [name for name in vars(ids) if name.endswith("Id")])
def test_ids_have_their_own_types(name: str) -> None:
    given = getattr(ids, name)
    (kind,) = (one for one in KINDS.values() if given in one.__mro__[1].__pydantic_generic_metadata__["args"])
    assert given.__supertype__.__metadata__[0].kind == kind.kind
