"""Extraction: turn the rows of a source into records with an id, a version, a text and an answer."""

import logging
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

import polars as pl

from nightloom.artifacts.data import OTHER_KEYS, Records, RecordsContent
from nightloom.artifacts.frames import RECORDS
from nightloom.artifacts.leaves import sha256
from nightloom.artifacts.parts import cut_into_parts, put_parts
from nightloom.conversations.chats import side_columns
from nightloom.conversations.message_keys import SYSTEM
from nightloom.core.digests import short
from nightloom.core.nights import NightCut
from nightloom.core.store import ObjectStore
from nightloom.recipes.preparation import PlantedRows
from nightloom.recipes.schema import AnswerField, Columns
from nightloom.recipes.sources import Source
from nightloom.sources.formatting import utc_text
from nightloom.sources.records import (
    KEYED_RECORDS,
    MadeRecords,
    find_companions,
    make_records,
    plain_columns,
    tidy_labels,
    wanted_columns,
)
from nightloom.sources.tables import read_batches, read_table

logger = logging.getLogger(__name__)

_MOST_KEYS = 20  # named one by one
_MOST_NAMES = 10_000  # some exports have ids or times as keys
_USUAL_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,39}")


def extract_records(
    store: ObjectStore,
    source: Source,
    columns: Columns,
    answer: Mapping[str, AnswerField],
    *,
    night: NightCut | None,
    window_days: int,
    new_only: bool = False,
    added: pl.DataFrame | None = None,
    erased: Collection[str] = (),
) -> Records:
    """Read a source as of a night's cut, and publish its rows unchanged.

    Args:
        store: Receives the records.
        source: A source of any kind.
        columns: Names of the columns.
        answer: Fields of the answer and their columns; empty for rows without answers.
        night: The night whose cut is read, or None to read everything (eval sets).
        window_days: Length of the window before the end of the cut.
        new_only: Whether rows from before the cut are left out, unless a query reads them.
        added: More rows (RECORDS), which are left out if the source has them.
        erased: SHA-256 of the ids of erased rows; only their id and version are kept.

    Raises:
        SchemaError: A column is missing, or its values cannot be used.
        InputError: The file does not exist, or the query returns rows from after the cut.
        SourceError: The source cannot be read.
    """
    seen = _Seen()
    made = _make_all(source, columns, answer, night, window_days, new_only=new_only)
    received = (seen.add(one) for one in made)
    new_from = None if night is None or columns.updated_at is None else utc_text(night.cut_from)
    own = (frame.with_columns(added=pl.lit(False)) for frame in received)
    more = [] if added is None else [added.with_columns(keyed=pl.lit(True), added=pl.lit(True))]
    frames = (_blank_erased(frame, erased) for frame in chain(own, more))
    rows, new_rows = [], []

    def finish(part: pl.DataFrame) -> pl.DataFrame:
        records = _blank_erased(_number_copies(_sort(_drop_present(part))), erased)
        rows.append(len(records))
        new_rows.append(len(records) if new_from is None else int((records["version"] >= new_from).sum()))
        return records

    finished = map(finish, cut_into_parts(frames, {**KEYED_RECORDS, "added": pl.Boolean}))
    parts = put_parts(store, finished, RECORDS)
    content = RecordsContent(rows=sum(rows), new_rows=sum(new_rows), parts=parts, unread=_name_keys(seen.unread))
    records = store.publish(Records(content=content))
    if seen.older or seen.later:
        logger.info(
            "records %s: %d older and %d later rows of the source belong to other nights",
            short(records.id),
            seen.older,
            seen.later,
        )
    return records


@dataclass(slots=True)
class _Seen:
    """What a source holds besides its records, added up over all batches."""

    unread: Counter[str] = field(default_factory=Counter)
    older: int = 0
    later: int = 0

    def add(self, made: MadeRecords) -> pl.DataFrame:
        """Add a batch, and return its records."""
        for name, conversations in made.unread.items():
            is_known = name in self.unread or len(self.unread) < _MOST_NAMES
            self.unread[name if is_known else OTHER_KEYS] += conversations
        self.older += made.older
        self.later += made.later
        return made.records


def _name_keys(unread: Counter[str]) -> dict[str, int]:
    """Return the counts of the most frequent keys. Unusual ones are counted together, because they may be texts."""
    usual = sorted((name for name in unread if _USUAL_KEY.fullmatch(name)), key=lambda name: (-unread[name], name))
    named = {*usual[:_MOST_KEYS]}
    counts = Counter[str]()
    for name, conversations in unread.items():
        counts[name if name in named else OTHER_KEYS] += conversations
    return dict(sorted(counts.items()))


def read_sample(
    source: Source,
    columns: Columns,
    answer: Mapping[str, AnswerField],
    *,
    night: NightCut | None,
    window_days: int,
    rows: int,
) -> pl.DataFrame:
    """Return the first rows of a source as records, to try the source out; store nothing.

    Args:
        source: A source of any kind.
        columns: Names of the columns.
        answer: Fields of the answer and their columns; empty for rows without answers.
        night: The night whose cut is read, or None to read everything (eval sets).
        window_days: Length of the window before the end of the cut.
        rows: Most rows to return.

    Raises:
        SchemaError: A column is missing, or its values cannot be used.
        InputError: The file does not exist, or the query returns rows from after the cut.
        SourceError: The source cannot be read.
    """
    found = pl.DataFrame(schema=KEYED_RECORDS)
    for made in _make_all(source, columns, answer, night, window_days):
        found = pl.concat([found, made.records])
        if len(found) >= rows:
            break
    return found.head(rows).select(list(RECORDS))


def _make_all(
    source: Source,
    columns: Columns,
    answer: Mapping[str, AnswerField],
    night: NightCut | None,
    window_days: int,
    *,
    new_only: bool = False,
) -> Iterator[MadeRecords]:
    """Read a source, and make the records of each batch."""
    companions = find_companions(columns, answer)
    batches = read_batches(
        source,
        [*wanted_columns(columns, answer), *companions],
        night,
        window_days,
        plain=plain_columns(columns, answer),
        mixed=(*side_columns(columns.chat), *SYSTEM) if columns.chat else (),
        optional=companions,
        sparse=[name for name in (columns.slice, columns.deleted_at) if name],
        others=columns.chat is not None,
    )
    start = None if night is None else night.cut_from if new_only else night.window_from(window_days)
    return (make_records(batch, source, columns, answer, night, start) for batch in batches)


def read_planted_rows(planted: PlantedRows, *, night: NightCut, window_days: int) -> pl.DataFrame:
    """Return row_id, kind, outcome and rule of the planted rows.

    Raises:
        SchemaError: A column is missing.
        SourceError: The source cannot be read.
    """
    columns = {"row_id": planted.key, "kind": planted.kind, "outcome": planted.outcome, "rule": planted.rule}
    table = read_table(planted.source, list(dict.fromkeys(columns.values())), night, window_days)
    labels = [tidy_labels(table[column]).fill_null("").alias(name) for name, column in columns.items()][1:]
    return pl.DataFrame([table[planted.key].alias("row_id"), *labels])


def _sort(records: pl.DataFrame) -> pl.DataFrame:
    """Sort records by all columns, so that the source's order makes no difference."""
    history = pl.struct("history").struct.json_encode()
    return records.sort("row_id", "version", "text", "answer", "slice", history)


def _number_copies(records: pl.DataFrame) -> pl.DataFrame:
    """Add numbers to rows without a key that have the same content, so that they do not become versions of one row."""
    number = pl.int_range(pl.len()).over("row_id") + 1
    numbered = pl.format("{}-{}", "row_id", number)
    return records.with_columns(
        pl.when(pl.col("keyed") | (number == 1)).then("row_id").otherwise(numbered).alias("row_id")
    )


def _drop_present(records: pl.DataFrame) -> pl.DataFrame:
    """Drop added rows that the source has in the same version."""
    own = records.filter(~pl.col("added"))
    added = records.filter(pl.col("added")).join(own, on=["row_id", "version"], how="anti")
    return pl.concat([own, added])


def _blank_erased(records: pl.DataFrame, erased: Collection[str]) -> pl.DataFrame:
    """Blank everything but id and version in erased rows."""
    if not erased:
        return records
    digests = records.select(sha256(pl.col("row_id")))["row_id"]
    is_erased = digests.is_in(list(erased))
    blanked = ("text", "answer", "slice", "history", "fault")
    return records.with_columns(pl.when(~is_erased).then(pl.col(name)).alias(name) for name in blanked)
