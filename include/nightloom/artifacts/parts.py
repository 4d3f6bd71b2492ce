"""Parts: a frame of any size as a list of blobs, partitioned by the hash of the row id, for flat memory.

All lines of a row are in one part, on every night: a frame has a power of two of parts, and part i of n has the rows
whose XXH64 begins with the bits of i.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from polars_hash import NonCryptographicHashingNameSpace

from nightloom.artifacts.frames import Schema, get_frame, put_frame
from nightloom.core.scratch import scratch_folder
from nightloom.core.store import ObjectStore

PART_ROWS = 65_536
"""Largest number of rows in a part, for frames of up to 16 million rows; beyond, parts grow."""

_MOST_PARTS = 256
_BUFFER_BYTES = 64 << 20


def read_parts(store: ObjectStore, parts: Iterable[str], schema: Schema) -> pl.DataFrame:
    """Return all parts as one frame; for small frames only."""
    return pl.concat([pl.DataFrame(schema=schema), *(get_frame(store, part, schema) for part in parts)])


def find_lines(store: ObjectStore, parts: Sequence[str], schema: Schema, row_id: str) -> pl.DataFrame:
    """Return the lines of one row; reads only the part that has them."""
    part = find_part(parts, row_id)
    return pl.DataFrame(schema=schema) if part is None else get_frame(store, part, schema).filter(row_id=row_id)


def find_part(parts: Sequence[str], row_id: str) -> str | None:
    """Return the part with all lines of a row, or None if there are no parts."""
    return parts[int(_hash_bits(pl.Series("row_id", [row_id]), len(parts))[0])] if parts else None


def overlapping_parts(parts: Sequence[str], number: int, count: int) -> Sequence[str]:
    """Return the parts that have the rows of part `number` of another frame with `count` parts."""
    if len(parts) >= count:
        width = len(parts) // count
        return parts[number * width : (number + 1) * width]
    return [parts[number * len(parts) // count]] if parts else []


def cut_into_parts(frames: Iterable[pl.DataFrame], schema: Schema) -> Iterator[pl.DataFrame]:
    """Partition rows from frames of any size; yields at least one part, which may be empty.

    Rows beyond a buffer of 64 MB are spooled to this machine's disk.

    Args:
        frames: Rows, with the columns of the schema.
        schema: Schema with a column `row_id`.
    """
    with ExitStack() as stack:
        spool: _Spool | None = None
        rows, held = 0, [pl.DataFrame(schema=schema)]
        for frame in frames:
            rows += len(frame)
            held.append(frame.select(list(schema)))
            if sum(part.estimated_size() for part in held) > _BUFFER_BYTES:
                spool = spool or stack.enter_context(_Spool(stack.enter_context(scratch_folder())))
                spool.write(pl.concat(held))
                held = [pl.DataFrame(schema=schema)]
        count = 1
        while rows > count * PART_ROWS and count < _MOST_PARTS:
            count *= 2
        if spool is None:
            yield from _split(pl.concat(held), count)
            return
        spool.write(pl.concat(held))
        yield from spool.read(count, schema)


def put_parts(
    store: ObjectStore, parts: Iterable[pl.DataFrame], schema: Schema, *, sort: bool = True
) -> tuple[str, ...]:
    """Store each part and return the digests, in order; one is written while the next is made."""
    kept: list[Future[str]] = []
    with ThreadPoolExecutor(1) as writer:
        for part in parts:
            if kept:
                kept[-1].result()
            kept.append(writer.submit(put_frame, store, part, schema, sort=sort))
    return tuple(one.result() for one in kept)


def _split(frame: pl.DataFrame, count: int) -> Iterator[pl.DataFrame]:
    numbered = frame.with_columns(_hash_bits(frame["row_id"], count).alias("_part"))
    held = numbered.partition_by("_part", as_dict=True, include_key=False, maintain_order=True)
    for number in range(count):
        yield held.get((number,), frame.clear())


def _hash_bits(row_ids: pl.Series, count: int) -> pl.Series:
    # Not Polars' own hash, which may change with its version: rows must be found for years.
    hashes = row_ids.to_frame("id").select(NonCryptographicHashingNameSpace(pl.col("id")).xxhash64())["id"]
    bits = count.bit_length() - 1
    return pl.Series((hashes.to_numpy() >> np.uint64(64 - bits)) if bits else np.zeros(len(hashes), np.uint64))


class _Spool:
    """Rows on disk, in one file per possible part."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[int, pa.ipc.RecordBatchStreamWriter] = {}
        self._files = ExitStack()

    def __enter__(self) -> "_Spool":
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def write(self, frame: pl.DataFrame) -> None:
        for number, part in enumerate(_split(frame, _MOST_PARTS)):
            if len(part):
                table = part.to_arrow(compat_level=pl.CompatLevel.oldest())
                if number not in self._writers:
                    writer = pa.ipc.new_stream(str(self._path(number)), table.schema)
                    self._writers[number] = self._files.enter_context(writer)
                self._writers[number].write_table(table)

    def read(self, count: int, schema: Schema) -> Iterator[pl.DataFrame]:
        self._files.close()
        width = _MOST_PARTS // count
        for start in range(0, _MOST_PARTS, width):
            paths = [self._path(number) for number in range(start, start + width)]
            frames = [pl.read_ipc_stream(path) for path in paths if path.exists()]
            yield pl.concat([pl.DataFrame(schema=schema), *frames])
            for path in paths:
                path.unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:03d}.arrows"
