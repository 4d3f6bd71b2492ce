"""Texts: clean the messages and the free-text answers of rows."""

from collections.abc import Mapping

import polars as pl

from nightloom.artifacts.models import Checks
from nightloom.curation.answers import decode_answers, encode_answers, read_labels
from nightloom.curation.outcomes import LABEL, OPEN, quarantine
from nightloom.recipes.schema import AnswerField
from nightloom.scanners.conversations import clean_conversations


def clean_rows(
    rows: pl.DataFrame, answer: Mapping[str, AnswerField], checks: Checks, releases: pl.DataFrame
) -> pl.DataFrame:
    """Clean the texts and labels of open rows, and quarantine rows that cannot be used.

    Args:
        rows: Rows with an outcome, or open.
        answer: Fields of the answer.
        checks: Operations and scanners for a text.
        releases: Waivers of rules for rows (RELEASES).

    Returns:
        The rows with clean, clean_history, clean_answer, and repairs (names of operations).
    """
    numbered = rows.drop("clean", "repairs").with_row_index("position")
    opened = numbered.filter(OPEN)
    values = decode_answers(opened["answer"], list(answer))
    labels = read_labels(values, answer)
    values.columns = labels.columns = [_column_of(name) for name in answer]
    free = [_column_of(name) for name, field in answer.items() if not field.one_of]
    texts = opened.select("text", "history").hstack(values.select(free))
    cleaned = clean_conversations(texts, checks, free, _list_waived(opened, releases))
    repairs = _add_repair(cleaned["repairs"], _differ(values, labels))
    answers = _write_answers(opened["answer"], values, labels.with_columns(cleaned.select(free)))
    found = cleaned.drop(free).with_columns(repairs, clean_answer=answers, position=opened["position"])
    names = {name: f"found_{name}" for name in ("rule", "measured", "threshold")}
    put = numbered.join(found.rename(names), on="position", how="left", maintain_order="left")
    put = put.with_columns(
        pl.col("repairs").fill_null(""),
        clean_history=pl.coalesce("clean_history", "history"),
        clean_answer=pl.coalesce("clean_answer", "answer"),
    )
    reasons = put.select(names.values()).rename({found: name for name, found in names.items()})
    return quarantine(put.drop("position", *names.values()), reasons)


def whole_text(history: str, text: str) -> pl.Expr:
    """Return all turns of a conversation as one text, one line each; without a history, the text itself."""
    turns = pl.col(history).list.eval(pl.element().struct.field("content")).list.join("\n")
    joined = pl.concat_str(turns, text, separator="\n", ignore_nulls=True)
    return pl.when(pl.col(history).is_null()).then(text).otherwise(joined)


def _column_of(field: str) -> str:
    """Return the column of an answer's field. The dot keeps it apart from all other columns."""
    return f".{field}"


def _list_waived(rows: pl.DataFrame, releases: pl.DataFrame) -> pl.Series:
    """Return for each row the names of its waived rules, sorted and separated by commas, or null."""
    keys = ["row_id", "version"]
    waived = releases.group_by(keys).agg(waived=pl.col("rule").sort().str.join(","))
    return rows.select(keys).join(waived, on=keys, how="left", maintain_order="left")["waived"]


def _add_repair(repairs: pl.Series, has_new_label: pl.Series) -> pl.Series:
    """Put the name of the repair of labels before the others."""
    others = pl.when(pl.col("repairs") != "").then("repairs")
    both = pl.concat_str(pl.lit(LABEL), others, separator=",", ignore_nulls=True)
    return repairs.to_frame().select(pl.when(has_new_label).then(both).otherwise("repairs").alias("repairs"))["repairs"]


def _differ(values: pl.DataFrame, others: pl.DataFrame) -> pl.Series:
    """Return whether any column differs, for each row."""
    changed = [values[name].ne_missing(others[name]) for name in others.columns]
    nothing = pl.repeat(value=False, n=len(values), eager=True)
    return pl.select(pl.any_horizontal(nothing, *changed).alias("changed"))["changed"]


def _write_answers(answers: pl.Series, values: pl.DataFrame, cleaned: pl.DataFrame) -> pl.Series:
    """Return the answers in canonical JSON, written again where a value changed."""
    positions = _differ(values, cleaned).arg_true()
    if positions.is_empty():
        return answers
    new = cleaned[positions]
    new.columns = [name.removeprefix(".") for name in new.columns]
    return answers.scatter(positions, encode_answers(new))
