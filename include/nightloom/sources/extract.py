"""Extraction: rows of a source become records with an id, a version, a text and an answer."""

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from nightloom.artifacts.data import Records, RecordsIdentity
from nightloom.artifacts.frames import RECORDS, put_frame
from nightloom.artifacts.parts import cut_into_parts
from nightloom.core.digests import canonical_json, digest_json
from nightloom.core.errors import InputError
from nightloom.core.nights import Night
from nightloom.core.recipes import AnswerField, Canaries, Columns, FilesSource, Source
from nightloom.core.store import ObjectStore
from nightloom.sources.columns import describe_source
from nightloom.sources.tables import read_batches, read_table, utc_text


def extract_records(
    store: ObjectStore,
    source: Source,
    columns: Columns,
    answer: Mapping[str, AnswerField],
    *,
    night: Night | None,
    window_days: int,
) -> Records:
    """Read a source as it stood at a night's cut, and publish its rows as they are.

    Args:
        store: Where the records go.
        source: A query or a file.
        columns: Which column holds what.
        answer: Fields of the answer and their columns; empty for rows that have none.
        night: The night whose cut is read; none reads everything (eval sets, files).
        window_days: Days before the cut's end that the window holds.

    Raises:
        InputError: A column is missing, or the query gives rows from after the cut.
        SourceError: The source cannot be read.
    """
    named = (columns.key, columns.updated_at, columns.deleted_at, columns.slice)
    optional = [name for name in named if name is not None]
    wanted = list(dict.fromkeys([columns.text, *optional, *(field.column for field in answer.values())]))
    batches = read_batches(source, wanted, night, window_days)
    frames = (_make_records(batch, source, columns, answer, night, window_days) for batch in batches)
    new_from = None if night is None or columns.updated_at is None else utc_text(night.cut_from)
    rows, new_rows, parts = 0, 0, []
    for part in cut_into_parts(frames, {**RECORDS, "keyed": pl.Boolean}):
        records = _tell_apart(part.sort("row_id", "version", "text", "answer", "slice"))
        rows += len(records)
        new_rows += len(records) if new_from is None else int((records["version"] >= new_from).sum())
        parts.append(put_frame(store, records, RECORDS))
    return store.publish(Records(identity=RecordsIdentity(rows=rows, new_rows=new_rows, parts=tuple(parts))))


def read_canaries(canaries: Canaries, *, night: Night, window_days: int) -> pl.DataFrame:
    """Read the table of planted rows: row_id, kind, outcome and rule of each.

    Raises:
        InputError: A column is missing.
        SourceError: The source cannot be read.
    """
    columns = {"row_id": canaries.key, "kind": canaries.kind, "outcome": canaries.outcome, "rule": canaries.rule}
    table = read_table(canaries.source, list(dict.fromkeys(columns.values())), night, window_days)
    return table.select(pl.col(column).alias(name) for name, column in columns.items())


def _make_records(
    table: pl.DataFrame,
    source: Source,
    columns: Columns,
    answer: Mapping[str, AnswerField],
    night: Night | None,
    window_days: int,
) -> pl.DataFrame:
    texts = table[columns.text].to_list()
    answers = _spell_answers(table, answer)
    keys = table[columns.key].to_list() if columns.key else [None] * len(table)
    records = pl.DataFrame(
        {
            "row_id": [
                key or digest_json({"text": text, "answer": given})
                for key, text, given in zip(keys, texts, answers, strict=True)
            ],
            "keyed": [bool(key) for key in keys],
            "version": _read_times(table, columns.updated_at, source),
            "text": texts,
            "answer": answers,
            "slice": table[columns.slice].to_list() if columns.slice else None,
            "history": None,
            "deleted": _read_deletions(table, columns.deleted_at, source, night),
        },
        schema={**RECORDS, "keyed": pl.Boolean},
    )
    if night is None or columns.updated_at is None:
        return records
    if isinstance(source, FilesSource):
        # A query is cut by its own conditions; a file holds whatever was ever written to it.
        start, end = utc_text(night.window_from(window_days)), utc_text(night.cut_to)
        return records.filter(pl.col("version").is_between(pl.lit(start), pl.lit(end), closed="left"))
    _refuse_later(records, night, source)
    return records


def _spell_answers(table: pl.DataFrame, answer: Mapping[str, AnswerField]) -> list[str | None]:
    """Give each row's answer as canonical JSON; a blank value is none, and so is an answer of nothing else."""
    given = table.select(
        pl.when(pl.col(field.column).str.strip_chars() != "").then(pl.col(field.column)).alias(name)
        for name, field in answer.items()
    )
    return [
        canonical_json(row).decode() if any(value is not None for value in row.values()) else None
        for row in (given.iter_rows(named=True) if answer else ({} for _ in range(len(table))))
    ]


def _read_deletions(table: pl.DataFrame, column: str | None, source: Source, night: Night | None) -> list[bool]:
    """Tell of each row whether it was deleted before the night's cut ended."""
    cut_to = utc_text(night.cut_to) if night else None
    times = _read_times(table, column, source)
    return [time != "" and (cut_to is None or time < cut_to) for time in times]


def _read_times(table: pl.DataFrame, column: str | None, source: Source) -> list[str]:
    if column is None:
        return [""] * len(table)
    try:
        return [utc_text(datetime.fromisoformat(value)) if value else "" for value in table[column]]
    except ValueError:
        msg = (
            f"column {column!r} of {describe_source(source)} holds a value that is not an ISO time; correct the column"
        )
        # Without its cause, which would quote the value.
        raise InputError(msg) from None


def _tell_apart(records: pl.DataFrame) -> pl.DataFrame:
    """Number rows without a key that have the same content, so that none is taken for a version of another."""
    number = pl.int_range(pl.len()).over("row_id") + 1
    numbered = pl.format("{}-{}", "row_id", number)
    return records.with_columns(
        pl.when(pl.col("keyed") | (number == 1)).then("row_id").otherwise(numbered).alias("row_id")
    )


def _refuse_later(records: pl.DataFrame, night: Night, source: Source) -> None:
    later = int((records["version"] >= utc_text(night.cut_to)).sum())
    if later:
        msg = (
            f"{describe_source(source)} gives {later} rows from after the cut of night {night.night}; "
            f"filter it by :cut_to, so that the night can be read again"
        )
        raise InputError(msg)
