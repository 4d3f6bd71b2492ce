"""Planted rows: rows with a known fault, whose outcomes show how well the checks work."""

from collections import Counter
from dataclasses import dataclass

import polars as pl

from nightloom.artifacts.data import PlantedResult

_KEY = pl.col("row_id").str.normalize("NFC").str.strip_chars()


@dataclass(frozen=True, slots=True)
class PlantedReport:
    """Outcomes of planted rows, and what the same checks did to all other rows."""

    results: tuple[PlantedResult, ...]
    other_rows: int
    other_rows_changed: int


def measure_planted(ledger: pl.DataFrame, planted: pl.DataFrame) -> PlantedReport:
    """Compare a ledger with what was planted.

    A planted row counts as expected if any of its versions got the expected outcome by the expected rule. Planted rows
    outside the window, which the ledger lacks, are not counted, nor are superseded versions of other rows. Keys may
    differ in the form of Unicode and in white space at their ends: the table need not have the types of the source.

    Args:
        ledger: LEDGER lines of one night.
        planted: row_id, kind, outcome and rule of every planted row; the rule of a kept row is empty.
    """
    expected = planted.with_columns(_KEY, pl.col("rule").fill_null(""))
    lines = ledger.with_columns(_KEY)
    seen = lines.select("row_id", got="outcome", by=pl.col("rule").fill_null(""))
    as_expected = (pl.col("got") == pl.col("outcome")) & (pl.col("by") == pl.col("rule"))
    fared = (
        expected.join(seen, on="row_id")
        .group_by("row_id", "kind", "outcome", "rule")
        .agg(as_expected.any().alias("right"))
        .group_by("kind", "outcome", "rule")
        .agg(planted=pl.len(), as_expected=pl.col("right").sum())
        .sort("kind", "outcome", "rule")
    )
    others = lines.join(expected, on="row_id", how="anti").filter(pl.col("outcome") != "superseded")
    taken = Counter(others["rule"].drop_nulls())
    results = ({**line, "false_positives": taken[line["rule"]] if line["rule"] else None} for line in fared.to_dicts())
    return PlantedReport(
        results=tuple(PlantedResult.model_validate(line) for line in results),
        other_rows=len(others),
        other_rows_changed=int((others["outcome"] != "kept").sum()),
    )
