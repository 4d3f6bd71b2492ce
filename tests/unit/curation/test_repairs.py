"""Repairs: a repaired row is counted under one operation."""

import polars as pl
import pytest
from nightloom.curation.outcomes import close_rows
from nightloom.scanners.normalise import OPERATIONS

NOTHING = dict.fromkeys(("outcome", "rule", "measured", "threshold", "into"), pl.lit(None, pl.String))


@pytest.mark.parametrize("repair", [*OPERATIONS, "pii", "serial_numbers"])
def test_single_repair_counts(repair: str) -> None:
    rows = pl.DataFrame({"repairs": [repair]}).with_columns(**NOTHING)
    assert close_rows(rows).select("outcome", "rule").row(0) == ("repaired", repair)


@pytest.mark.parametrize(
    ("repairs", "rule"),
    [("nfc,whitespace", "nfc"), ("html,whitespace", "html"), ("html,pii", "pii"), ("serial_numbers,pii", "pii")],
)
def test_weightiest_repair_counts(repairs: str, rule: str) -> None:
    rows = pl.DataFrame({"repairs": [repairs]}).with_columns(**NOTHING)
    assert close_rows(rows)["rule"].item() == rule
