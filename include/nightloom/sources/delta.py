"""Delta Lake: read the rows of a table as of the night's cut."""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.fs as pf

from nightloom.conversations.message_keys import may_change_row
from nightloom.conversations.other_columns import add_unseen
from nightloom.core.errors import InputError, NightloomError, SourceError
from nightloom.core.settings import get_settings
from nightloom.recipes.sources import DeltaSource
from nightloom.sources.base import Cut
from nightloom.sources.columns import describe_source, place_columns

_BATCH_ROWS = 20_000
_NARROW = {"boolean", "byte", "short", "integer", "long", "float", "double", "date", "timestamp", "timestamp_ntz"}
_COMMIT = re.compile(r"(?:.*/)?(\d{20})\.json")
_ASKS_NOTHING = {"vacuumProtocolCheck"}  # of a reader: it is about deleting files
_READ_BY_POLARS = {"deletionVectors", "timestampNtz", "variantType", "variantType-preview"}
_READ_BY_DELTALAKE = _READ_BY_POLARS | {"columnMapping", "v2Checkpoint"}
# What the libraries say about a table that they will never read, whatever the moment.
_NEVER_READ = re.compile(r"unsupported|not supported|not support|catalog-managed", re.IGNORECASE)
_DAMAGED = re.compile(r"invalid protocol|invalid json|json error|found in delta log", re.IGNORECASE)
_TRACE = re.compile(r"This error occurred|\s0: <unknown>|\n\s*0: ")


def read_delta(
    source: DeltaSource,
    columns: Sequence[str],
    cut: Cut | None,
    *,
    optional: Collection[str] = (),
    others: bool = False,
) -> Iterator[pa.RecordBatch]:
    """Return these columns of the last version before the end of the cut; without a cut, of the newest version.

    A night that is read again gives the same rows, as long as the table keeps that version.

    Raises:
        SchemaError: A column is missing.
        InputError: The table or the version does not exist, or the table has a feature that cannot be read.
        SourceError: The table cannot be read.
    """
    where = describe_source(source)
    try:
        table = _open(source)
        if cut:
            table.load_as_version(_find_version(_list_commits(table), cut.cut_to, source))
        features = _read_features(table)
        _refuse_features(features, where)
        known = [field.name for field in table.schema().fields]
        narrow, wide = _sort_others(table, columns) if others else ([], [])
        place_columns(columns, known, where, optional)
        present = [*(name for name in columns if name in known), *narrow]
        if features <= _READ_BY_POLARS:
            frame = pl.scan_delta(table, storage_options=_storage_options(), credential_provider=None)
            for batch in frame.select(present).collect_batches(chunk_size=_BATCH_ROWS, maintain_order=True):
                yield from (add_unseen(one, wide) for one in batch.to_arrow().to_batches())
        else:
            for batch in pa.RecordBatchReader.from_stream(table.scan(columns=present)):
                yield add_unseen(batch.select(present), wide)
    except NightloomError:
        raise
    except Exception as error:  # the errors of the two libraries have no common base
        raise _explain(error, where) from error


def _sort_others(table: Any, wanted: Collection[str]) -> tuple[list[str], list[str]]:
    """Return the other columns that are cheap to read, and those whose values may be long."""
    others = [field for field in table.schema().fields if field.name not in wanted]
    narrow = [field.name for field in others if may_change_row(field.name) or str(field.type.type) in _NARROW]
    return narrow, [field.name for field in others if field.name not in narrow]


def _open(source: DeltaSource) -> Any:
    try:
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError
    except ImportError as error:
        msg = f"{describe_source(source)} needs the package deltalake; install it with `pip install deltalake`"
        raise InputError(msg) from error

    class Table(DeltaTable):  # type: ignore[misc]  # deltalake has no types here
        """A table whose protocol names only features that ask something of a reader: Polars refuses all others."""

        def protocol(self) -> Any:
            protocol = super().protocol()
            features = [name for name in protocol.reader_features or () if name not in _ASKS_NOTHING]
            return protocol._replace(reader_features=features)

    try:
        return Table(source.resolved_path(), storage_options=_storage_options())
    except TableNotFoundError as error:
        msg = f"there is no Delta table at {source.resolved_path()!r}; check the path"
        raise InputError(msg) from error


def _read_features(table: Any) -> set[str]:
    """Return what a reader of the table must support. Before the features had names, version 2 was column mapping."""
    protocol = table.protocol()
    return {"columnMapping"} if protocol.min_reader_version == 2 else {*(protocol.reader_features or ())}


def _refuse_features(features: set[str], where: str) -> None:
    unread = sorted(features - _READ_BY_DELTALAKE)
    if unread:
        msg = (
            f"{where} has the feature {unread[0]}, which cannot be read; drop it in Spark with "
            f"`ALTER TABLE … DROP FEATURE {unread[0]}`, or name a copy of the table without it"
        )
        raise InputError(msg)


def _explain(error: Exception, where: str) -> NightloomError:
    """Return the error to raise: another try does not change what the table is."""
    reason = " ".join(_TRACE.split(str(error), maxsplit=1)[0].split())[:300].rstrip(".")
    if _DAMAGED.search(reason):
        return InputError(f"{where} cannot be read: {reason}; restore the table's log, or name a copy of the table")
    if _NEVER_READ.search(reason):
        return InputError(
            f"{where} cannot be read: {reason}; drop that feature, or name a copy of the table without it"
        )
    return SourceError(f"{where} cannot be read: {reason}; check the table")


def _list_commits(table: Any) -> list[Mapping[str, Any]]:
    """Return version and time (milliseconds) of every commit that the log still has.

    The library numbers commits by counting, and leaves out those without a `commitInfo`, which no writer must write. If
    one or its time is missing, the log is read here, and the time of the commit's file counts.
    """
    from deltalake.fs import DeltaStorageHandler

    log = pf.PyFileSystem(DeltaStorageHandler(table.table_uri, _storage_options()))
    files = {file: _COMMIT.fullmatch(file.path) for file in log.get_file_info(pf.FileSelector("_delta_log"))}
    numbered = {int(found[1]): file for file, found in files.items() if found}
    history = table.history()
    if len(history) == len(numbered) and all("timestamp" in commit for commit in history):
        return list(history)
    return [{"version": version, "timestamp": _read_time(log, file)} for version, file in numbered.items()]


def _read_time(log: Any, file: Any) -> int:
    with log.open_input_stream(file.path) as stream:
        actions = [json.loads(line) for line in stream.read().splitlines() if line.strip()]
    # With the feature `inCommitTimestamp`, the first name has the time that counts.
    names = ("inCommitTimestamp", "timestamp")
    times = (action["commitInfo"].get(name) for action in actions if "commitInfo" in action for name in names)
    return next((time for time in times if isinstance(time, int)), file.mtime_ns // 1_000_000)


def _find_version(history: Sequence[Mapping[str, Any]], cut_to: datetime, source: DeltaSource) -> int:
    """Return the last version before the first commit at or after the end of the cut."""
    found: int | None = None
    for commit in sorted(history, key=lambda commit: int(commit["version"])):
        if commit["timestamp"] >= cut_to.timestamp() * 1000:
            break
        found = int(commit["version"])
    if found is None:
        msg = (
            f"{describe_source(source)} has no version before the end of the night's cut, "
            f"{cut_to:%Y-%m-%d %H:%M} UTC; run a later night, or let the table keep its log longer"
        )
        raise InputError(msg)
    return found


def _storage_options() -> dict[str, str]:
    """Return the object store's settings under the libraries' names; the libraries look up unset ones themselves."""
    settings = get_settings()
    given = {
        "AWS_ENDPOINT_URL": settings.store_endpoint_url,
        "AWS_REGION": settings.store_region,
        "AWS_ACCESS_KEY_ID": settings.store_access_key and settings.store_access_key.get_secret_value(),
        "AWS_SECRET_ACCESS_KEY": settings.store_secret_key and settings.store_secret_key.get_secret_value(),
        "AWS_ALLOW_HTTP": "true" if (settings.store_endpoint_url or "").startswith("http://") else None,
    }
    return {name: value for name, value in given.items() if value}
