import pytest
from nightloom.core.counts import show_count


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1000, "1,000 rows")],
    ids=["none", "one", "two", "thousand"],
)
def test_count_agrees_with_its_noun(count: int, shown: str) -> None:
    assert show_count(count, "row", form=",") == shown


def test_verb_agrees_with_the_count() -> None:
    assert show_count(1, "weight is", "weights are") == "1 weight is"
    assert show_count(3, "weight is", "weights are") == "3 weights are"
