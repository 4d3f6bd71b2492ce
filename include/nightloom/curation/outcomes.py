"""Outcomes: give each record exactly one outcome, and write the ledger and the quarantine.

A row whose outcome is null is open. A rule assigns outcomes to open rows only and never removes a row, so as many rows
go out as came in.
"""

import polars as pl

from nightloom.artifacts.data import Outcome, RuleCount
from nightloom.artifacts.frames import EXAMPLES, LEDGER, QUARANTINE
from nightloom.artifacts.leaves import sha256

OPEN = pl.col("outcome").is_null()

LABEL = "label"
"""The repair of an answer that is spelled as the recipe does."""

# A row that several operations changed is counted under the weightiest of them. Redactions by scanners come last among
# the repairs, and weigh more than all operations.
_REPAIR_WEIGHT = (
    *(LABEL, "html", "fix_encoding", "control_characters", "invisible_characters", "nfc"),
    *("single_spaces", "whitespace"),
)


def open_rows(records: pl.DataFrame) -> pl.DataFrame:
    """Return the records as open rows, the oldest first."""
    empty = pl.lit(None, pl.String)
    decided = ("outcome", "rule", "measured", "threshold", "into", "cluster_id", "split", "repairs", "clean")
    oldest_first = records.sort("version", "row_id", maintain_order=True)
    return oldest_first.with_columns(empty.alias(name) for name in decided)


def assign_outcome(
    rows: pl.DataFrame,
    where: pl.Expr,
    outcome: Outcome,
    rule: str | pl.Expr,
    *,
    measured: pl.Expr | None = None,
    threshold: pl.Expr | None = None,
    into: pl.Expr | None = None,
) -> pl.DataFrame:
    """Assign the open rows among these an outcome and its reason."""
    nothing = pl.lit(None, pl.String)
    reason = {
        "outcome": pl.lit(outcome),
        "rule": pl.lit(rule) if isinstance(rule, str) else rule,
        "measured": nothing if measured is None else measured.cast(pl.String),
        "threshold": nothing if threshold is None else threshold.cast(pl.String),
        "into": nothing if into is None else into,
    }
    chosen = OPEN & where.fill_null(False)
    return rows.with_columns(pl.when(chosen).then(value).otherwise(name).alias(name) for name, value in reason.items())


def quarantine(rows: pl.DataFrame, reasons: pl.DataFrame) -> pl.DataFrame:
    """Quarantine the open rows that have a reason: rule, measured and threshold; null for rows without one."""
    found = reasons.select(found="rule", was="measured", required="threshold")
    assigned = assign_outcome(
        rows.hstack(found),
        pl.col("found").is_not_null(),
        "quarantined",
        pl.col("found"),
        measured=pl.col("was"),
        threshold=pl.col("required"),
    )
    return assigned.drop(found.columns)


def close_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """Finalise the rows that are still open: repaired if an operation changed the text, else kept."""
    done = pl.col("repairs").str.split(",")
    last = done.list.last()
    operations = (pl.when(done.list.contains(name)).then(pl.lit(name)) for name in _REPAIR_WEIGHT)
    weightiest = pl.coalesce(pl.when(~last.is_in(_REPAIR_WEIGHT)).then(last), *operations)
    repaired = assign_outcome(rows, pl.col("repairs") != "", "repaired", weightiest)
    return assign_outcome(repaired, pl.lit(True), "kept", pl.lit(None, pl.String))


def list_examples(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that become examples, cleaned and sorted by version and row id; the version is included."""
    kept = rows.filter(pl.col("outcome").is_in(["kept", "repaired"]))
    became = kept.with_columns(text="clean", history="clean_history", answer="clean_answer")
    return became.select("version", *EXAMPLES).sort("version", "row_id")


def write_ledger(rows: pl.DataFrame) -> pl.DataFrame:
    """Return one ledger line for every record."""
    kept = pl.col("outcome").is_in(["kept", "repaired"])
    received = _digest(pl.col("text").fill_null(""), pl.col("history"))
    became = pl.when(kept).then(_digest(pl.col("clean"), pl.col("clean_history")))
    return rows.with_columns(text_in=received, text_out=became).select(list(LEDGER))


def list_quarantine(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the refused records as they were received, with the reason."""
    return rows.filter(pl.col("outcome") == "quarantined").select(list(QUARANTINE))


def count_rules(ledger: pl.DataFrame) -> tuple[RuleCount, ...]:
    """Count the rows of each outcome and rule."""
    counts = ledger.group_by("outcome", "rule").len("rows").sort("outcome", "rule")
    return tuple(RuleCount.model_validate(count) for count in counts.to_dicts())


def _digest(text: pl.Expr, history: pl.Expr) -> pl.Expr:
    """Return the SHA-256 of a text, or of a conversation's canonical JSON."""
    turns = pl.struct(history.alias("history"), text.alias("text")).struct.json_encode()
    return sha256(pl.when(history.is_null()).then(text).otherwise(turns))
