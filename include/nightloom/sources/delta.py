"""Delta Lake: read the rows of a table as of the night's cut."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import polars as pl
import pyarrow as pa

from nightloom.core.errors import InputError, NightloomError, SourceError
from nightloom.core.settings import get_settings
from nightloom.recipes.sources import DeltaSource
from nightloom.sources.base import Cut
from nightloom.sources.columns import describe_source, find_columns

_BATCH_ROWS = 20_000


def read_delta(source: DeltaSource, columns: Sequence[str], cut: Cut | None) -> Iterator[pa.RecordBatch]:
    """Return these columns of the last version before the end of the cut; without a cut, of the newest version.

    A night that is read again gives the same rows, as long as the table keeps that version.

    Raises:
        SchemaError: A column is missing.
        InputError: The table or the version does not exist.
        SourceError: The table cannot be read.
    """
    try:
        table = _open(source)
        if cut:
            table.load_as_version(_find_version(table.history(), cut.cut_to, source))
        frame = pl.scan_delta(table, storage_options=_storage_options(), credential_provider=None)
        find_columns(columns, frame.collect_schema().names(), describe_source(source))
        for batch in frame.select(columns).collect_batches(chunk_size=_BATCH_ROWS, maintain_order=True):
            yield from batch.to_arrow().to_batches()
    except NightloomError:
        raise
    except Exception as error:  # the errors of the two libraries have no common base
        msg = f"{describe_source(source)} cannot be read: {' '.join(str(error).split())[:300]}; check the table"
        raise SourceError(msg) from error


def _open(source: DeltaSource) -> Any:
    try:
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError
    except ImportError as error:
        msg = f"{describe_source(source)} needs the package deltalake; install it with `pip install deltalake`"
        raise InputError(msg) from error
    try:
        return DeltaTable(source.resolved_path(), storage_options=_storage_options())
    except TableNotFoundError as error:
        msg = f"there is no Delta table at {source.resolved_path()!r}; check the path"
        raise InputError(msg) from error


def _find_version(history: Sequence[dict[str, Any]], cut_to: datetime, source: DeltaSource) -> int:
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
