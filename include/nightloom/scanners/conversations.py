"""Conversations: clean rows message by message, the same way for training and prediction."""

from collections.abc import Sequence

import polars as pl

from nightloom.artifacts.frames import HISTORY, Schema
from nightloom.artifacts.models import Checks
from nightloom.scanners.clean import clean_texts
from nightloom.scanners.normalise import OPERATIONS
from nightloom.scanners.registry import open_scanners

_TEXT, _MESSAGE, _ANSWER = range(3)
_NO_LIMIT = (1 << 32) - 1  # characters, more than any text has
_PIECES: Schema = {
    "position": pl.UInt32,
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

    System messages and answers are not scanned for prompt injections. Messages may be empty; text and answers must not
    be.

    Args:
        rows: text, history (HISTORY), and the columns with answers.
        checks: Operations and scanners for each piece.
        answers: Names of the columns with answers.
        waived: For each row the names of its waived rules, sorted and separated by commas, or null. Waived rules
            refuse nothing and repair nothing.

    Returns:
        One row for each row, in order: `clean`, `clean_history` and the clean answers; `repairs`, the comma-separated
        names of the operations and scanners that changed any of them; and `rule`, `measured` and `threshold`, the
        reason of the first bad piece, in the order text, messages, answers. They are null if the row can be used.
    """
    numbered = rows.with_row_index("position").with_columns(waived=_NOTHING if waived is None else waived)
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
    """Return the texts, messages and answers of numbered rows, one row each (_PIECES)."""
    texts = _tabulate(rows, _TEXT, pl.col("text"))
    histories = rows.filter(pl.col("history").list.len() > 0).select("position", "waived", "history").explode("history")
    content, role = (pl.col("history").struct.field(name) for name in ("content", "role"))
    order = pl.int_range(pl.len(), dtype=pl.UInt32).over("position")
    messages = _tabulate(histories, _MESSAGE, content, order, role)
    given = [
        _tabulate(rows.filter(pl.col(name).is_not_null()), _ANSWER, pl.col(name), pl.lit(number, pl.UInt32))
        for number, name in enumerate(answers)
    ]
    return pl.concat([pl.DataFrame(schema=_PIECES), texts, messages, *given])


def _tabulate(
    rows: pl.DataFrame, kind: int, text: pl.Expr, number: pl.Expr = _FIRST, role: pl.Expr = _NOTHING
) -> pl.DataFrame:
    return rows.select("position", "waived", kind=pl.lit(kind, pl.UInt8), number=number, role=role, text=text)


def _waive(checks: Checks, waived: str) -> Checks:
    rules = waived.split(",")
    return checks.model_copy(
        update={
            "max_characters": _NO_LIMIT if "too_long" in rules else checks.max_characters,
            "operations": {name: version for name, version in checks.operations.items() if name not in rules},
            "actions": {name: "keep" if name in rules else action for name, action in checks.actions.items()},
        }
    )


def choose_for_answers(checks: Checks) -> Checks:
    """Return the checks of an answer: it may instruct, and a limit of tokens bounds its length."""
    return _allow_instructions(checks).model_copy(update={"max_characters": _NO_LIMIT})


def _allow_instructions(checks: Checks) -> Checks:
    return checks.model_copy(update={"actions": {**checks.actions, "prompt_injection": "keep"}})


def _clean_pieces(pieces: pl.DataFrame, checks: Checks) -> pl.DataFrame:
    """Add clean, repairs, rule, measured and threshold to pieces."""
    # A system message is meant to instruct the model.
    of_system, of_answers = _allow_instructions(checks), choose_for_answers(checks)
    is_answer, is_system = pl.col("kind") == _ANSWER, pl.col("role").eq_missing("system")
    kinds = ((~is_answer & ~is_system, checks), (is_system, of_system), (is_answer, of_answers))
    parts = [(pieces.filter(is_kind), own) for is_kind, own in kinds]
    return pl.concat([part.hstack(clean_texts(part["text"], own)) for part, own in parts])


def _join_texts(rows: pl.DataFrame, pieces: pl.DataFrame) -> pl.DataFrame:
    texts = pieces.filter(kind=_TEXT).select("position", "clean")
    return rows.join(texts, on="position", how="left", maintain_order="left")


def _join_messages(rows: pl.DataFrame, pieces: pl.DataFrame) -> pl.DataFrame:
    messages = pieces.filter(kind=_MESSAGE).sort("position", "number")
    if messages.is_empty():
        return rows.with_columns(clean_history="history")
    histories = messages.group_by("position", maintain_order=True).agg(
        clean_history=pl.struct(content="clean", role="role")
    )
    joined = rows.join(histories.cast({"clean_history": HISTORY}), on="position", how="left", maintain_order="left")
    return joined.with_columns(clean_history=pl.coalesce("clean_history", "history"))


def _join_answers(rows: pl.DataFrame, pieces: pl.DataFrame, answers: Sequence[str]) -> pl.DataFrame:
    repaired = pieces.filter((pl.col("kind") == _ANSWER) & (pl.col("repairs") != ""))
    for number in repaired["number"].unique():
        name = answers[number]
        new = repaired.filter(number=number).select("position", "clean")
        joined = rows.select("position").join(new, on="position", how="left", maintain_order="left")
        rows = rows.with_columns(pl.coalesce(joined["clean"], name).alias(name))
    return rows


def _join_repairs(rows: pl.DataFrame, pieces: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Add the names of the operations and scanners that changed any piece of a row, in the order of `names`."""
    repaired = pieces.filter(pl.col("repairs") != "").select("position", repair=pl.col("repairs").str.split(","))
    found = repaired.explode("repair").group_by("position").agg(pl.col("repair").unique())
    in_order = [pl.when(pl.col("repair").list.contains(name)).then(pl.lit(name)) for name in names]
    repairs = found.select("position", repairs=pl.concat_str(in_order, separator=",", ignore_nulls=True))
    joined = rows.join(repairs, on="position", how="left", maintain_order="left")
    return joined.with_columns(pl.col("repairs").fill_null(""))


def _join_reasons(rows: pl.DataFrame, pieces: pl.DataFrame) -> pl.DataFrame:
    is_empty = pl.col("rule") == "empty_text"
    refused = pieces.filter(pl.col("rule").is_not_null() & ~(is_empty & (pl.col("kind") == _MESSAGE)))
    no_answer = is_empty & (pl.col("kind") == _ANSWER)
    refused = refused.with_columns(rule=pl.when(no_answer).then(pl.lit("missing_answer")).otherwise("rule"))
    first = refused.sort("position", "kind", "number").unique("position", keep="first", maintain_order=True)
    reasons = first.select("position", "rule", "measured", "threshold")
    return rows.join(reasons, on="position", how="left", maintain_order="left")
