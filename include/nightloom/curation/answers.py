"""Answers: what is wrong with one, and what it says in the fields that have a fixed set of values."""

from collections.abc import Mapping, Sequence

import polars as pl

from nightloom.recipes.schema import AnswerField


def decode_answers(answers: pl.Series, fields: Sequence[str]) -> pl.DataFrame:
    """Return a column for each field of answers in canonical JSON; nothing where an answer is nothing or lacks it."""
    if not fields:
        return pl.DataFrame(height=len(answers))
    kind = pl.Struct(dict.fromkeys(fields, pl.String))
    decoded = answers.alias("answer").to_frame().select(pl.col("answer").str.json_decode(kind))
    return decoded.unnest("answer")


def encode_answers(values: pl.DataFrame) -> pl.Series:
    """Return answers in canonical JSON, of a column for each field."""
    return values.select(pl.struct(sorted(values.columns)).struct.json_encode().alias("answer"))["answer"]


def check_answers(answers: pl.Series, answer: Mapping[str, AnswerField]) -> pl.DataFrame:
    """Describe why answers cannot be learned from: rule, measured and threshold, or nothing; no values are shown."""
    values = decode_answers(answers, list(answer))
    missing = _name_fields(values, {name: pl.col(name).is_null() for name in answer})
    foreign = _name_fields(
        values, {name: ~pl.col(name).is_in(field.one_of) for name, field in answer.items() if field.one_of}
    )
    checked = pl.DataFrame({"missing": missing, "foreign": foreign})
    is_missing, is_foreign = pl.col("missing") != "", pl.col("foreign") != ""
    return checked.select(
        rule=pl.when(is_missing).then(pl.lit("missing_answer")).when(is_foreign).then(pl.lit("invalid_answer")),
        measured=pl.when(is_missing).then("missing").when(is_foreign).then("foreign"),
        threshold=pl.when(is_missing).then(pl.lit("all fields")).when(is_foreign).then(pl.lit("one_of")),
    )


def closed_answers(answers: pl.Series, answer: Mapping[str, AnswerField]) -> pl.Series:
    """Return the part of each answer in which two rows may contradict each other.

    That is the fields with a fixed set of values, or all of them where there is no such field: two replies in free
    text may differ and both be right.
    """
    closed = [name for name, field in answer.items() if field.one_of] or list(answer)
    return encode_answers(decode_answers(answers, list(answer)).select(closed)) if closed else answers


def _name_fields(values: pl.DataFrame, wrong: Mapping[str, pl.Expr]) -> pl.Series:
    """Return the names of the fields that are wrong in each row, separated by commas."""
    names = [pl.when(is_wrong).then(pl.lit(name)) for name, is_wrong in wrong.items()]
    if not names:
        return pl.repeat("", len(values), eager=True)
    return values.select(pl.concat_str(names, separator=",", ignore_nulls=True).alias("names"))["names"]
