"""Answers: read and check the fields of a record's answer."""

from collections.abc import Mapping, Sequence

import polars as pl

from nightloom.core.counts import show_count
from nightloom.core.labels import find_label
from nightloom.curation.minhash import comparable
from nightloom.recipes.schema import AnswerField
from nightloom.scanners.normalise import fix_encoding


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


def read_labels(values: pl.DataFrame, answer: Mapping[str, AnswerField]) -> pl.DataFrame:
    """Spell the values of closed fields as the recipe does, if they differ only in what no reader sees.

    Args:
        values: One column for each field.
        answer: Fields of the answer, and the values that they may have.
    """
    closed = {name: field.one_of for name, field in answer.items() if field.one_of}
    return values.with_columns(values[name].replace(_spell(values[name], labels)) for name, labels in closed.items())


def check_answers(answers: pl.Series, answer: Mapping[str, AnswerField]) -> pl.DataFrame:
    """Return rule, measured and threshold for each answer that cannot be used, else nulls."""
    values = read_labels(decode_answers(answers, list(answer)), answer)
    closed = {name: field.one_of for name, field in answer.items() if field.one_of}
    missing = _join(values, [pl.when(pl.col(name).is_null()).then(pl.lit(name)) for name in answer], ",")
    described = [_describe_foreign(values[name], labels) for name, labels in closed.items()]
    foreign = _join(values.with_columns(described), [pl.col(one.name) for one in described], ", ")
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


def _spell(values: pl.Series, labels: Sequence[str]) -> dict[str, str]:
    """Return the labels that values mean: value → label, for values that are no label but are written like one."""
    foreign = values.filter(~values.is_in(labels)).drop_nulls().unique()
    meant = {value: find_label(value, labels) or find_label(fix_encoding(value), labels) for value in foreign}
    return {value: label for value, label in meant.items() if label}


def _describe_foreign(values: pl.Series, labels: Sequence[str]) -> pl.Series:
    """Name field and value where a value is no label: the value if it resembles a label, else its length.

    The ledger keeps what was measured even if the row is erased, so any other value is not shown.
    """
    resembling = {comparable(label) for label in labels}
    foreign = values.filter(~values.is_in(labels)).drop_nulls().unique()
    described = [
        f"{values.name} {value!r}"
        if comparable(value) in resembling
        else f"{values.name} of {show_count(len(value), 'character')}"
        for value in foreign
    ]
    return values.replace_strict(foreign, described, default=None, return_dtype=pl.String)


def _join(values: pl.DataFrame, parts: Sequence[pl.Expr], separator: str) -> pl.Series:
    """Join the parts of each row that are not null; an empty text if there are none."""
    if not parts:
        return pl.repeat("", len(values), eager=True)
    return values.select(pl.concat_str(parts, separator=separator, ignore_nulls=True).alias("joined"))["joined"]
