"""Answers: read and check the fields of a record's answer."""

from collections.abc import Mapping, Sequence

import polars as pl

from nightloom.recipes.schema import AnswerField


def decode_answers(answers: pl.Series, fields: Sequence[str]) -> pl.DataFrame:
    """Return one column for each field of answers in canonical JSON; null where an answer lacks the field."""
    if not fields:
        return pl.DataFrame(height=len(answers))
    kind = pl.Struct(dict.fromkeys(fields, pl.String))
    decoded = answers.alias("answer").to_frame().select(pl.col("answer").str.json_decode(kind))
    return decoded.unnest("answer")


def encode_answers(values: pl.DataFrame) -> pl.Series:
    """Return answers in canonical JSON, made of one column for each field."""
    return values.select(pl.struct(sorted(values.columns)).struct.json_encode().alias("answer"))["answer"]


def check_answers(answers: pl.Series, answer: Mapping[str, AnswerField]) -> pl.DataFrame:
    """Return rule, measured and threshold for each answer that cannot be used, else nulls. No values are shown."""
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
    """Return the part of each answer in which two rows can contradict each other: the fields with `one_of`.

    Two replies in free text may differ and both be right.
    """
    closed = [name for name, field in answer.items() if field.one_of]
    if not closed:
        return pl.repeat("{}", len(answers), dtype=pl.String, eager=True)
    return encode_answers(decode_answers(answers, list(answer)).select(closed))


def _name_fields(values: pl.DataFrame, wrong: Mapping[str, pl.Expr]) -> pl.Series:
    """Return for each row the names of its wrong fields, separated by commas."""
    names = [pl.when(is_wrong).then(pl.lit(name)) for name, is_wrong in wrong.items()]
    if not names:
        return pl.repeat("", len(values), eager=True)
    return values.select(pl.concat_str(names, separator=",", ignore_nulls=True).alias("names"))["names"]
