"""Scratch: files on the local disk between the passes of curation, one set for each part."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from nightloom.curation.minhash import Signatures


@dataclass(frozen=True, slots=True)
class Scratch:
    """A folder with the files of each part.

    Row `n` of a part has the number `first + n`, where `first` is the number of the part's first row.
    """

    folder: Path

    def write_rows(self, part: int, rows: pl.DataFrame) -> None:
        """Write a part's rows with all columns."""
        rows.write_ipc(self._path(part, "rows.arrow"), compat_level=pl.CompatLevel.oldest())

    def read_rows(self, part: int, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Return a part's rows with all or some columns."""
        path = self._path(part, "rows.arrow")
        return pl.read_ipc(path, columns=list(columns) if columns else None)

    def write_signatures(
        self, part: int, positions: npt.NDArray[np.uint32], keys: pl.Series, signatures: Signatures
    ) -> None:
        """Write the signatures of a part's open rows.

        Args:
            part: Number of the part.
            positions: Positions of the open rows in the part.
            keys: SHA-256 of each row's comparable text, hexadecimal.
            signatures: Signatures in the same order.
        """
        np.save(self._path(part, "positions.npy"), positions)
        np.save(self._path(part, "keys.npy"), _first_bits(keys))
        np.save(self._path(part, "bands.npy"), signatures.bands)
        np.save(self._path(part, "low_bytes.npy"), signatures.low_bytes)

    def read_positions(self, part: int) -> npt.NDArray[np.uint32]:
        """Return the positions of the open rows of a part."""
        return _load(self._path(part, "positions.npy"))

    def read_keys(self, part: int) -> npt.NDArray[np.uint64]:
        """Return the first 128 bits of each open row's key, shape (open rows, 2)."""
        return _load(self._path(part, "keys.npy"))

    def read_band(self, part: int, band: int) -> npt.NDArray[np.uint64]:
        """Return one band of the open rows' signatures."""
        return np.array(np.load(self._path(part, "bands.npy"), mmap_mode="r")[band])

    def read_low_bytes(self, part: int) -> npt.NDArray[np.uint8]:
        """Return the low bytes of the open rows' signatures."""
        return _load(self._path(part, "low_bytes.npy"))

    def count_bands(self) -> int:
        """Return the number of bands."""
        return int(np.load(self._path(0, "bands.npy"), mmap_mode="r").shape[0])

    def write(self, name: str, frame: pl.DataFrame) -> None:
        """Write a frame under a name."""
        frame.write_ipc(self.folder / f"{name}.arrow", compat_level=pl.CompatLevel.oldest())

    def read(self, name: str) -> pl.DataFrame:
        """Return the frame of that name."""
        return pl.read_ipc(self.folder / f"{name}.arrow")

    def write_examples(self, part: int, ranges: Sequence[pl.DataFrame]) -> None:
        """Write a part's examples, cut into ranges."""
        tables = [examples.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest()) for examples in ranges]
        with (
            pa.OSFile(str(self._path(part, "examples.arrow")), "wb") as file,
            pa.ipc.new_file(file, tables[0].schema) as writer,
        ):
            for table in tables:
                batches = table.combine_chunks().to_batches()
                writer.write_batch(batches[0] if batches else _empty_batch(table.schema))

    def read_examples(self, part: int, number: int) -> pl.DataFrame:
        """Return one range of a part's examples."""
        with pa.OSFile(str(self._path(part, "examples.arrow"))) as file, pa.ipc.open_file(file) as reader:
            return pl.DataFrame(pl.from_arrow(reader.get_batch(number)))

    def _path(self, part: int, name: str) -> Path:
        return self.folder / f"{part:03d}.{name}"


def iter_chunks(pairs: int, most: int) -> Iterator[slice]:
    """Return slices of at most `most` pairs that cover all pairs."""
    return (slice(start, min(start + most, pairs)) for start in range(0, pairs, most))


def _first_bits(keys: pl.Series) -> npt.NDArray[np.uint64]:
    data = bytes.fromhex("".join(keys.str.slice(0, 32).to_list()))
    return np.frombuffer(data, ">u8").astype(np.uint64).reshape(-1, 2)


def _empty_batch(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], kind) for kind in schema.types], schema=schema)


def _load(path: Path) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = np.load(path)
    return array
