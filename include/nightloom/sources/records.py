"""Records: build records from a source's rows by the recipe's columns."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import repeat
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from nightloom.artifacts.faults import NO_FAULT, make_faults
from nightloom.artifacts.frames import RECORDS, Schema
from nightloom.artifacts.histories import make_histories
from nightloom.artifacts.leaves import sha256
from nightloom.conversations.chats import chat_columns, companion_columns, read_chat, text_columns
from nightloom.conversations.other_columns import MARKS, OTHERS
from nightloom.core.counts import show_count
from nightloom.core.digests import canonical_json
from nightloom.core.errors import InputError, SchemaError
from nightloom.core.labels import tidy_label
from nightloom.core.nights import NightCut
from nightloom.recipes.schema import AnswerField, Columns
from nightloom.recipes.sources import FilesSource, Source, SqlSource, zone_of
from nightloom.sources.columns import describe_source
from nightloom.sources.files import find_value
from nightloom.sources.formatting import FIRST_TIME, UTC_ZONE, as_text, as_utc, utc_text
from nightloom.sources.tables import NESTED

KEYED_RECORDS: Schema = {**RECORDS, "keyed": pl.Boolean}
"""RECORDS, and whether the source has a key for each."""

# Polars parses times in the common formats; Python parses the others one by one. The year 9999 may end in UTC after all
# years that there are.
_PLAIN_TIME = r"^[12][0-9]{3}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?(Z|\+00:00)?$"

# Times from then on mean that there is no time, as the year 9999 does.
_NEVER = "9000"
_MOST_AHEAD = timedelta(days=3653)
_NO_KEY = r"(?i)^\s*(nan|nat|none|null)?\s*$"
_NO_TIME = re.compile(r"\s*(nat|nan|none|null|0000-00-00([ T]00:00:00(\.0*)?)?)?\s*", re.IGNORECASE)
_NOTHING = pl.lit(None, pl.String)

Answer = Mapping[str, AnswerField]


def wanted_columns(columns: Columns, answer: Answer) -> list[str]:
    """Return the names of the columns that records need, each once."""
    if columns.chat is None:
        contents = [columns.text, *(field.column for field in answer.values())]
    else:
        contents = [*chat_columns(columns.chat, answered=bool(answer))]
    named = [columns.key, columns.updated_at, columns.deleted_at, columns.slice, *contents]
    return list(dict.fromkeys(name for name in named if name is not None))


def plain_columns(columns: Columns, answer: Answer) -> list[str]:
    """Return the wanted columns whose values must not be lists or objects, and those of conversations in texts."""
    if columns.chat is None:
        return wanted_columns(columns, answer)
    chats, texts = chat_columns(columns.chat, answered=bool(answer)), text_columns(columns.chat)
    return [*(name for name in wanted_columns(columns, answer) if name not in chats), *texts]


def find_companions(columns: Columns, answer: Answer) -> list[str]:
    """Return the columns that belong to conversations if the source has them, and that hold nothing else."""
    wanted = wanted_columns(columns, answer)
    companions = companion_columns(columns.chat) if columns.chat else ()
    return [name for name in companions if name not in wanted]


@dataclass(frozen=True, slots=True)
class MadeRecords:
    """The records of a table.

    Attributes:
        records: KEYED_RECORDS.
        unread: Conversations by the keys in them that were not read.
        older: Rows from before the start, which were left out.
        later: Rows from after the cut, which were left out.
    """

    records: pl.DataFrame
    unread: Counter[str]
    older: int = 0
    later: int = 0


def make_records(
    table: pl.DataFrame,
    source: Source,
    columns: Columns,
    answer: Answer,
    night: NightCut | None,
    start: datetime | None = None,
) -> MadeRecords:
    """Return the records of a table of text, from a start to the end of the night's cut.

    A query has its own conditions. Rows of other sources are of all times, and one without a time gets a fault, because
    it cannot be said whether it belongs to the night.

    Args:
        table: Columns of the source.
        source: The source.
        columns: Names of the columns.
        answer: Fields of the answer and their columns; empty for rows without answers.
        night: The night whose cut is read, or None to read everything.
        start: Earlier rows are left out, or None to leave out none.

    Raises:
        SchemaError: A time is invalid.
        InputError: A query returns rows from after the cut.
    """
    unread: Sequence[Collection[str]] = []
    if columns.chat is None:
        contents = _read_texts(table, columns, answer)
    else:
        contents, unread = _read_chats(table, columns, answer)
    if NESTED in table.columns:
        contents = _refuse_nested(contents, table[NESTED], plain_columns(columns, answer))
    records = contents.with_columns(
        version=_read_times(table, columns.updated_at, source),
        slice=tidy_labels(table[columns.slice]) if columns.slice else _NOTHING,
        deleted=_read_deletions(table, columns.deleted_at, source, night),
    )
    records = _name_rows(records, table[columns.key] if columns.key else None).select(list(KEYED_RECORDS))
    if night is None or columns.updated_at is None:
        return MadeRecords(records, _count(unread))
    if isinstance(source, SqlSource):
        _refuse_later(records, night, source)
        return MadeRecords(records, _count(unread))
    records = _mark_timeless(records, night)
    older = (records["version"] != "") & (records["version"] < (utc_text(start) if start else ""))
    later = records["version"] >= utc_text(night.cut_to)
    ours = ~(older | later)
    unread = [names for names, is_ours in zip(unread, ours, strict=True) if is_ours] if unread else unread
    return MadeRecords(records.filter(ours), _count(unread), int(older.sum()), int(later.sum()))


def _count(unread: Sequence[Collection[str]]) -> Counter[str]:
    return Counter(name for names in unread for name in names)


def _mark_timeless(records: pl.DataFrame, night: NightCut) -> pl.DataFrame:
    """Mark rows without a time, or with a time that means none, such as the first of 1970 or the year 9999."""
    version, latest = pl.col("version"), utc_text(night.cut_to + _MOST_AHEAD)
    is_timeless = (version < FIRST_TIME) | (version >= latest)
    measured = pl.when(version == "").then(pl.lit("no time")).otherwise(version)
    fault = pl.struct(measured=measured, rule=pl.lit("no_time"))
    return records.with_columns(
        version=pl.when(is_timeless).then(pl.lit("")).otherwise(version),
        fault=pl.when(is_timeless & pl.col("fault").is_null()).then(fault).otherwise("fault"),
    )


def tidy_labels(values: pl.Series) -> pl.Series:
    """Return values as `tidy_label` writes them; blank ones are null, because some sources know no empty text."""
    given = values.drop_nulls().unique()
    tidied = [tidy_label(value) or None for value in given]
    return values.replace_strict(given, tidied, default=None, return_dtype=pl.String)


def _read_texts(table: pl.DataFrame, columns: Columns, answer: Answer) -> pl.DataFrame:
    """Return text and answer of each row: the answer as canonical JSON, or null if all its values are blank."""
    values = [_unless_blank(pl.col(str(field.column))).alias(name) for name, field in sorted(answer.items())]
    formatted = pl.lit(None, pl.String)
    if values:
        given = pl.any_horizontal(value.is_not_null() for value in values)
        formatted = pl.when(given).then(pl.struct(values).struct.json_encode()).otherwise(formatted)
    return table.select(
        pl.col(str(columns.text)).alias("text"),
        formatted.alias("answer"),
        pl.lit(None, RECORDS["history"]).alias("history"),
        NO_FAULT.alias("fault"),
    )


def _refuse_nested(contents: pl.DataFrame, nested: pl.Series, plain: Sequence[str]) -> pl.DataFrame:
    """Mark rows in which a plain column holds a list or an object: its text would be the structure's."""
    wrong = pl.lit(nested).list.eval(pl.element().filter(pl.element().is_in(plain))).list.first()
    measured = pl.format("column '{}' holds a list or an object", wrong)
    fault = pl.when(wrong.is_not_null()).then(pl.struct(measured=measured, rule=pl.lit("not_a_text")))
    return contents.with_columns(fault=pl.coalesce("fault", fault))


def _read_chats(table: pl.DataFrame, columns: Columns, answer: Answer) -> tuple[pl.DataFrame, list[Collection[str]]]:
    """Return text, answer, history and fault of each conversation, and the names of its unread keys."""
    chat, answered = str(columns.chat), bool(answer)
    more = [name for name in (OTHERS, MARKS) if name in table.columns]
    companions = [name for name in (*find_companions(columns, answer), *more) if table[name].null_count() < len(table)]
    names = [*chat_columns(chat, answered=answered), *companions]
    nested: Iterable[Collection[str]] = table[NESTED] if NESTED in table.columns else repeat(())
    chats = [
        read_chat(chat, values, answered=answered, nested=held)
        for values, held in zip(table.select(names).iter_rows(named=True), nested, strict=False)
    ]
    # A recipe with chats has exactly one field in its answer.
    field = next(iter(answer), None)
    answers = [
        canonical_json({field: one.answer}).decode() if field and one.answer and one.answer.strip() else None
        for one in chats
    ]
    contents = {"text": [one.text for one in chats], "answer": answers}
    records = pl.DataFrame(contents, dict.fromkeys(contents, pl.String)).with_columns(
        history=make_histories([one.history for one in chats]), fault=make_faults([one.fault for one in chats])
    )
    return records, [one.unread for one in chats]


def _name_rows(records: pl.DataFrame, keys: pl.Series | None) -> pl.DataFrame:
    """Add each row's id: its key, or the digest of its content if it has none."""
    keyed = records.with_columns(row_id=pl.lit(None, pl.String) if keys is None else keys)
    keyed = keyed.with_columns(keyed=(~pl.col("row_id").str.contains(_NO_KEY)).fill_null(value=False))
    if keyed["keyed"].all():
        return keyed
    alone, after = (
        pl.struct(*names).struct.json_encode() for names in (("answer", "text"), ("answer", "history", "text"))
    )
    content = pl.when(pl.col("history").is_null()).then(alone).otherwise(after)
    digest = sha256(content)
    return keyed.with_columns(row_id=pl.when("keyed").then("row_id").otherwise(digest))


def _unless_blank(value: pl.Expr) -> pl.Expr:
    return pl.when(value.str.strip_chars() != "").then(value)


def _read_deletions(table: pl.DataFrame, column: str | None, source: Source, night: NightCut | None) -> pl.Series:
    """Return whether each row was deleted before the end of the night's cut; times that mean none do not count."""
    times = _read_times(table, column, source)
    return (times >= FIRST_TIME) & (times < (utc_text(night.cut_to) if night else _NEVER))


def _read_times(table: pl.DataFrame, column: str | None, source: Source) -> pl.Series:
    """Return times in the format of `utc_text`; empty text for no time."""
    if column is None:
        return pl.repeat("", len(table), dtype=pl.String, eager=True)
    try:
        return format_times(table[column], zone_of(source))
    except ValueError:
        where = find_value(source, column, _is_no_time) if isinstance(source, FilesSource) else None
        what = f"a value that is not an ISO time{f', the first in {where}' if where else ''}"
        # Without its cause, which quotes the value.
        msg = f"column {column!r} of {describe_source(source)} holds {what}; correct the column"
        raise SchemaError(msg) from None


def _is_no_time(value: Any) -> bool:
    text = as_text(value)
    if text is None or _NO_TIME.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return True
    return False


def format_times(values: pl.Series, zone: ZoneInfo = UTC_ZONE) -> pl.Series:
    """Format times like `utc_text`; a time without a zone is one of this zone, and none becomes empty text.

    Raises:
        ValueError: A value is not an ISO time.
    """
    value = pl.col("value")
    plain = pl.when(value.str.contains(_PLAIN_TIME)).then(value)
    local = plain.str.slice(0, 19).str.replace(" ", "T").str.to_datetime("%Y-%m-%dT%H:%M:%S", strict=False)
    moment = pl.when(plain.str.contains(r"[Z+]")).then(local).otherwise(as_utc(local, zone))
    fraction = plain.str.extract(r"\.([0-9]+)").fill_null("").str.pad_end(6, "0")
    formatted = pl.format("{}.{}+00:00", moment.dt.strftime("%Y-%m-%dT%H:%M:%S"), fraction)
    frame = values.alias("value").to_frame().with_columns(formatted.alias("formatted"))
    others = frame.filter(value.is_not_null() & (value != "") & pl.col("formatted").is_null())["value"].unique()
    read = pl.DataFrame(
        [(other, utc_text(datetime.fromisoformat(other), zone)) for other in others if not _NO_TIME.fullmatch(other)],
        {"value": pl.String, "read": pl.String},
        orient="row",
    )
    joined = frame.join(read, on="value", how="left", maintain_order="left")
    return joined.select(pl.coalesce("formatted", "read", pl.lit("")).alias(values.name)).to_series()


def _refuse_later(records: pl.DataFrame, night: NightCut, source: Source) -> None:
    later = int((records["version"] >= utc_text(night.cut_to)).sum())
    if later:
        zone = zone_of(source)
        msg = (
            f"{describe_source(source)} returns {show_count(later, 'row')} from after the cut of night {night.night}; "
            f"filter the query by :cut_to, which is {night.cut_to.astimezone(zone):%Y-%m-%d %H:%M} in {zone.key}, as "
            f"are times without a time zone; `timezone` of the source sets another"
        )
        raise InputError(msg)
