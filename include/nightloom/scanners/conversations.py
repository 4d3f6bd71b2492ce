"""Conversations: the one cleaner of rows to learn from and of rows to predict, message by message."""

from collections.abc import Sequence

import polars as pl

from nightloom.artifacts.frames import HISTORY, Schema
from nightloom.artifacts.models import Checks
from nightloom.scanners.clean import clean_texts
from nightloom.scanners.normalise import OPERATIONS
from nightloom.scanners.registry import open_scanners

_TEXT, _MESSAGE, _ANSWER = range(3)
_NO_LIMIT = (1 << 32) - 1  # characters that no text has
_PIECES: Schema = {
    "place": pl.UInt32,
    "waived": pl.String,
    "kind": pl.UInt8,
    "number": pl.UInt32,
    "role": pl.String,
    "text": pl.String,
}
_FIRST, _NOTHING = pl.lit(0, pl.UInt32), pl.lit(None, pl.String)


def clean_conversations(
    rows: pl.DataFrame, checks: Checks, answers: Sequence[str] = (), waived: pl.Series | None = None
) -> pl.DataFrame:
    """Clean texts, the messages before them, and answers in free text.

    A system message may instruct the model. In answers only what scanners look for is changed or refused, but for
    instructions to the model. Messages and answers may be empty; the text may not.

    Args:
        rows: text, history (HISTORY), and the columns with answers.
        checks: What each piece goes through.
        answers: Names of the columns with answers.
        waived: For each row the names of rules that people waived, sorted, with commas between them, or null: they
            refuse nothing and repair nothing.

    Returns:
        A line for each row, in their order: `clean`, `clean_history` and the answers, clean; `repairs`, the names of
        what changed any of them, with commas between them; and `rule`, `measured` and `threshold`, which are why the
        row cannot be used: those of its first bad piece, in the order text, messages, answers. They are null if it can.
    """
    numbered = rows.with_row_index("place").with_columns(waived=_NOTHING if waived is None else waived)
    groups = _list_pieces(numbered, answers).partition_by("waived", maintain_order=True, include_key=True)
    cleaned = [_clean_pieces(group, _waive(checks, group["waived"][0] or "")) for group in groups]
    pieces = pl.concat(cleaned) if cleaned else _clean_pieces(pl.DataFrame(schema=_PIECES), checks)
    clean = _join_texts(numbered, pieces)
    clean = _join_messages(clean, pieces)
    clean = _join_answers(clean, pieces, answers)
    clean = _join_repairs(clean, pieces, [*OPERATIONS, *(scanner.name for scanner, _ in open_scanners(checks))])
    clean = _join_reasons(clean, pieces)
    return clean.select("clean", "clean_history", *answers, "repairs", "rule", "measured", "threshold")


def _list_pieces(rows: pl.DataFrame, answers: Sequence[str]) -> pl.DataFrame:
    """Return the texts, messages and answers of numbered rows, each a line (_PIECES)."""
    texts = _tabulate(rows, _TEXT, pl.col("text"))
    histories = rows.filter(pl.col("history").list.len() > 0).select("place", "waived", "history").explode("history")
    content, role = (pl.col("history").struct.field(name) for name in ("content", "role"))
    order = pl.int_range(pl.len(), dtype=pl.UInt32).over("place")
    messages = _tabulate(histories, _MESSAGE, content, order, role)
    given = [
        _tabulate(rows.filter(pl.col(name).is_not_null()), _ANSWER, pl.col(name), pl.lit(number, pl.UInt32))
        for number, name in enumerate(answers)
    ]
    return pl.concat([pl.DataFrame(schema=_PIECES), texts, messages, *given])


def _tabulate(
    rows: pl.DataFrame, kind: int, text: pl.Expr, number: pl.Expr = _FIRST, role: pl.Expr = _NOTHING
) -> pl.DataFrame:
    return rows.select("place", "waived", kind=pl.lit(kind, pl.UInt8), number=number, role=role, text=text)


def _waive(checks: Checks, waived: str) -> Checks:
    rules = waived.split(",")
    return checks.model_copy(
        update={
            "max_characters": _NO_LIMIT if "too_long" in rules else checks.max_characters,
            "operations": {name: version for name, version in checks.operations.items() if name not in rules},
            "actions": {name: "keep" if name in rules else action for name, action in checks.actions.items()},
        }
    )


def _clean_pieces(pieces: pl.DataFrame, checks: Checks) -> pl.DataFrame:
    """Add clean, repairs, rule, measured and threshold."""
    # A system message speaks to the model by right.
    of_system = checks.model_copy(update={"actions": {**checks.actions, "prompt_injection": "keep"}})
    of_answers = of_system.model_copy(update={"max_characters": _NO_LIMIT, "operations": {}})
    is_answer, is_system = pl.col("kind") == _ANSWER, pl.col("role").eq_missing("system")
    kinds = ((~is_answer & ~is_system, checks), (is_system, of_system), (is_answer, of_answers))
    parts = [(pieces.filter(is_kind), asked) for is_kind, asked in kinds]
    return pl.concat([part.hstack(clean_texts(part["text"], asked)) for part, asked in parts])


def _join_texts(rows: pl.DataFrame, pieces: pl.DataFrame) -> pl.DataFrame:
    texts = pieces.filter(kind=_TEXT).select("place", "clean")
    return rows.join(texts, on="place", how="left", maintain_order="left")


def _join_messages(rows: pl.DataFrame, pieces: pl.DataFrame) -> pl.DataFrame:
    messages = pieces.filter(kind=_MESSAGE).sort("place", "number")
    if messages.is_empty():
        return rows.with_columns(clean_history="history")
    histories = messages.group_by("place", maintain_order=True).agg(
        clean_history=pl.struct(content="clean", role="role")
    )
    joined = rows.join(histories.cast({"clean_history": HISTORY}), on="place", how="left", maintain_order="left")
    return joined.with_columns(clean_history=pl.coalesce("clean_history", "history"))


def _join_answers(rows: pl.DataFrame, pieces: pl.DataFrame, answers: Sequence[str]) -> pl.DataFrame:
    repaired = pieces.filter((pl.col("kind") == _ANSWER) & (pl.col("repairs") != ""))
    for number in repaired["number"].unique():
        name = answers[number]
        new = repaired.filter(number=number).select("place", "clean")
        joined = rows.select("place").join(new, on="place", how="left", maintain_order="left")
        rows = rows.with_columns(pl.coalesce(joined["clean"], name).alias(name))
    return rows


def _join_repairs(rows: pl.DataFrame, pieces: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Add the names of what changed any piece of a row, in the order of the names."""
    repaired = pieces.filter(pl.col("repairs") != "").select("place", repair=pl.col("repairs").str.split(","))
    found = repaired.explode("repair").group_by("place").agg(pl.col("repair").unique())
    in_order = [pl.when(pl.col("repair").list.contains(name)).then(pl.lit(name)) for name in names]
    repairs = found.select("place", repairs=pl.concat_str(in_order, separator=",", ignore_nulls=True))
    joined = rows.join(repairs, on="place", how="left", maintain_order="left")
    return joined.with_columns(pl.col("repairs").fill_null(""))


def _join_reasons(rows: pl.DataFrame, pieces: pl.DataFrame) -> pl.DataFrame:
    refused = pieces.filter(
        pl.col("rule").is_not_null() & ((pl.col("rule") != "empty_text") | (pl.col("kind") == _TEXT))
    )
    first = refused.sort("place", "kind", "number").unique("place", keep="first", maintain_order=True)
    reasons = first.select("place", "rule", "measured", "threshold")
    return rows.join(reasons, on="place", how="left", maintain_order="left")
