"""Shards: cut a snapshot's rows, write each shard as a file, and cache what is known of it.

Where a shard ends depends only on the rows around it (content-defined chunking, as in backup programs). New rows at the
end and removed rows at the beginning leave the shards between unchanged.
"""

import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from blake3 import blake3
from polars_hash import NonCryptographicHashingNameSpace

from nightloom.artifacts.data import SnapshotContent, SnapshotFile
from nightloom.artifacts.leaves import Leaves, hash_rows
from nightloom.core.digests import digest_bytes
from nightloom.core.store import ObjectStore

_ROW_GROUP_ROWS = 1 << 20
_REPEATING_COLUMNS = ("split", "answer", "slice", "history.list.element.role")
"""Columns with dictionary encoding. For texts and ids, which differ, it costs an eighth of the time for nothing."""


@dataclass(frozen=True, slots=True)
class ShardSize:
    """Rows of a shard: about `mean`, at least `least` except in the last shard, at most `most`."""

    mean: int = 16_384
    least: int = 8_192
    most: int = 32_768


@dataclass(frozen=True, slots=True)
class ShardRows:
    """Id and leaf of each row of a shard, sorted by id, and the number of rows in each split."""

    ids: pl.Series
    leaves: Leaves
    splits: dict[str, int]


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of a snapshot: its file, the key of its rows in the cache, and a function that loads the cached rows.

    A known shard came from the cache and was not sent now, so the store may have lost it.
    """

    key: str
    file: SnapshotFile
    is_known: bool
    load: Callable[[], ShardRows]


def cut_tables(tables: Iterable[pa.Table], size: ShardSize) -> Iterator[pa.Table]:
    """Cut consecutive tables into shards, independent of where one table ends and the next begins."""
    rest: pa.Table | None = None
    for table in tables:
        rows = table if rest is None else pa.concat_tables([rest, table])
        cuts = cut_rows(pl.Series(rows["row_id"]), size)
        # The last shard may continue in the next table.
        yield from (rows.slice(start, length) for start, length in cuts[:-1])
        rest = rows.slice(*cuts[-1]) if cuts else None
    if rest is not None:
        yield rest


def cut_rows(row_ids: pl.Series, size: ShardSize) -> list[tuple[int, int]]:
    """Return start and length of each shard of the rows in this order."""
    # Not Polars' own hash, which may change with its version: every shard would be sent again.
    hashes = row_ids.to_frame("id").select(NonCryptographicHashingNameSpace(pl.col("id")).xxhash64())["id"]
    ends = np.flatnonzero((hashes % size.mean == 0).to_numpy()) + 1
    cuts = [0]
    for end in ends.tolist():
        while end - cuts[-1] > size.most:
            cuts.append(cuts[-1] + size.most)
        if end - cuts[-1] >= size.least:
            cuts.append(end)
    while len(row_ids) - cuts[-1] > size.most:
        cuts.append(cuts[-1] + size.most)
    if cuts[-1] < len(row_ids):
        cuts.append(len(row_ids))
    return [(start, end - start) for start, end in pairwise(cuts)]


def store_shard(store: ObjectStore, rows: pa.Table) -> tuple[SnapshotFile, ShardRows]:
    """Store rows as a Parquet file, sorted by id, and describe the file and the rows."""
    # Rows without versions are already sorted, and copying them would be a tenth of the work.
    ordered = rows if pl.Series(rows["row_id"]).is_sorted() else rows.take(pc.sort_indices(rows["row_id"]))
    buffer = io.BytesIO()
    pq.write_table(
        ordered, buffer, compression="zstd", row_group_size=_ROW_GROUP_ROWS, use_dictionary=[*_REPEATING_COLUMNS]
    )
    frame = _to_frame(ordered)
    ids = frame["row_id"]
    file = SnapshotFile(sha256=store.put_blob(buffer.getvalue()), rows=len(ids), first_id=ids[0], last_id=ids[-1])
    return file, describe_rows(frame)


def _to_frame(rows: pa.Table) -> pl.DataFrame:
    """Return rows as a frame, without copying their texts."""
    for index, field in enumerate(rows.schema):
        if pa.types.is_large_list(field.type):
            # Without a copy, Polars would convert the lists' values of the whole table for each of its shards.
            rows = rows.set_column(index, field, rows[index].take(pa.array(np.arange(len(rows)))))
    return pl.DataFrame(pl.from_arrow(rows))


def describe_rows(shard: pl.DataFrame) -> ShardRows:
    """Return ids, leaves and splits, from which a snapshot's identity is made."""
    return ShardRows(shard["row_id"], hash_rows(shard), dict(shard["split"].value_counts().iter_rows()))


def fingerprint(rows: pa.Table) -> str:
    """Return a BLAKE3 digest of the rows' bytes in memory: twice as fast as SHA-256, but only valid on this machine.

    Equal fingerprints mean equal rows in the same order, however they are cut into chunks.
    """
    digest = blake3(str(rows.schema.remove_metadata()).encode())
    for column in rows.combine_chunks().columns:
        for chunk in column.chunks:
            for part in _bytes_of(chunk):
                # The length first: otherwise bytes could move from one part to the next without a new digest.
                digest.update(len(part).to_bytes(8))
                digest.update(part)
    return digest.hexdigest()


class ShardCache:
    """Cache of shards by fingerprint, in a folder that may be deleted at any time.

    Args:
        folder: Folder of the cache.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._evicted: set[str] = set()

    def find(self, key: str) -> Shard | None:
        """Return the shard with this fingerprint, or None if it is not cached or not readable."""
        if key in self._evicted:
            return None
        try:
            with pa.OSFile(str(self._path(key))) as source, pa.ipc.open_file(source) as reader:
                file = SnapshotFile.model_validate_json((reader.schema.metadata or {})[b"file"])
        except (OSError, ValueError, KeyError, pa.ArrowException):
            return None
        return Shard(key, file, is_known=True, load=partial(self._load, key))

    def evict(self, key: str) -> None:
        """Remove the shard with this fingerprint, even if the folder is not writable."""
        self._evicted.add(key)
        with suppress(OSError):
            self._path(key).unlink()

    def add(self, key: str, file: SnapshotFile, rows: ShardRows) -> Shard:
        """Add a shard, and return it."""
        self._evicted.discard(key)
        leaf = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(32), len(rows.ids), [None, pa.py_buffer(rows.leaves.tobytes())]
        )
        ids = rows.ids.to_arrow(compat_level=pl.CompatLevel.oldest())
        metadata = {"file": file.model_dump_json(), "splits": json.dumps(rows.splits)}
        table = pa.table({"row_id": ids, "leaf": leaf}).replace_schema_metadata(metadata)
        is_written = self._write(key, partial(_write_arrow, table.combine_chunks()))
        # Loaded again when it is needed: all shards together would fill the memory.
        return Shard(key, file, is_known=False, load=partial(self._load, key) if is_written else lambda: rows)

    def _load(self, key: str) -> ShardRows:
        table = pa.ipc.open_file(pa.memory_map(str(self._path(key)))).read_all()
        leaves = np.frombuffer(table["leaf"].combine_chunks().buffers()[1], np.uint8)
        splits = json.loads((table.schema.metadata or {})[b"splits"])
        return ShardRows(pl.Series(table["row_id"]), leaves.reshape(-1, 32)[: len(table)], splits)

    def find_identity(self, keys: Sequence[str]) -> SnapshotContent | None:
        """Return the identity of the snapshot of these shards, or None if it is not cached."""
        try:
            return SnapshotContent.model_validate_json(self._path(_join(keys)).read_bytes())
        except (OSError, ValueError):
            return None

    def add_identity(self, keys: Sequence[str], identity: SnapshotContent) -> None:
        """Add the identity of the snapshot of these shards."""
        self._write(_join(keys), lambda path: path.write_text(identity.model_dump_json(), encoding="utf-8"))

    def _write(self, key: str, write: Callable[[Path], object]) -> bool:
        """Write a file atomically, and return whether it was written; a full disk is no reason to fail."""
        path = self._path(key)
        half = path.with_name(f".{path.name}.{os.getpid()}")
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write(half)
            half.replace(path)
            return True
        return False

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / key[2:]


def _join(keys: Sequence[str]) -> str:
    return digest_bytes("".join(keys).encode())


def _write_arrow(table: pa.Table, path: Path) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def _bytes_of(array: pa.Array) -> Iterator[Any]:
    """Return the bytes of an array of texts, or of lists and structs of them, whatever its offset in its buffers."""
    yield b"" if array.null_count == 0 else array.is_valid().to_numpy(zero_copy_only=False).tobytes()
    if pa.types.is_struct(array.type):
        for field in array.flatten():
            yield from _bytes_of(field)
    elif pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        ends = _ends(array)
        yield np.diff(ends).tobytes()
        yield from _bytes_of(array.values.slice(int(ends[0]), int(ends[-1] - ends[0])))
    elif pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        ends = _ends(array)
        yield np.diff(ends).tobytes()
        yield memoryview(array.buffers()[2] or b"")[int(ends[0]) : int(ends[-1])]
    elif not pa.types.is_null(array.type):
        msg = f"rows hold values of type {array.type}, which have no fingerprint"
        raise TypeError(msg)


def _ends(array: pa.Array) -> npt.NDArray[np.int64]:
    """Return the offsets at which each text or list begins and the last one ends."""
    buffer = array.buffers()[1]
    if buffer is None or len(array) == 0:
        return np.zeros(1, np.int64)
    is_large = pa.types.is_large_string(array.type) or pa.types.is_large_list(array.type)
    ends = np.frombuffer(buffer, np.int64 if is_large else np.int32)
    return ends[array.offset : array.offset + len(array) + 1].astype(np.int64)
