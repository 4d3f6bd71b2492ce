"""Leaves: the digest of each row of a frame as canonical JSON, and the root over all of them."""

import numpy as np
import numpy.typing as npt
import polars as pl
from polars_hash import CryptographicHashingNameSpace

from nightloom.core.digests import merkle_root

Leaves = npt.NDArray[np.uint8]
"""One SHA-256 a row: shape (rows, 32)."""


def sha256(text: pl.Expr) -> pl.Expr:
    """Return the SHA-256 of each text as 64 hexadecimal digits, as `digest_bytes` does of one; of nothing, nothing."""
    return CryptographicHashingNameSpace(text).sha2_256()


def hash_rows(frame: pl.DataFrame) -> Leaves:
    """Return the SHA-256 of each row's canonical JSON: `digest_json(row)`, at twenty times the speed.

    Polars spells text, nothing and lists of them as `canonical_json` does, once the names are sorted. It does not for
    numbers: a frame with columns of other types is refused.

    Raises:
        TypeError: A column holds something else than text, or structs whose fields are not sorted by name.
    """
    for name, kind in frame.schema.items():
        if not _is_spelled_alike(kind):
            msg = f"column {name!r} of type {kind} has no canonical spelling here"
            raise TypeError(msg)
    spelled = pl.struct(sorted(frame.columns)).struct.json_encode()
    digests = frame.select(sha256(spelled).str.decode("hex").alias("leaf"))["leaf"]
    data = digests.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest()).buffers()[2]
    return np.frombuffer(data or b"", np.uint8, 32 * len(frame)).reshape(len(frame), 32)


def rows_root(frame: pl.DataFrame) -> str:
    """Return the Merkle root over a frame's rows in their order, whatever wrote the Parquet."""
    return merkle_root(hash_rows(frame).tobytes())


def _is_spelled_alike(kind: pl.DataType) -> bool:
    if isinstance(kind, pl.List):
        return _is_spelled_alike(kind.inner)  # type: ignore[arg-type]  # an instance, once it is in a schema
    if isinstance(kind, pl.Struct):
        names = [field.name for field in kind.fields]
        return names == sorted(names) and all(_is_spelled_alike(field.dtype) for field in kind.fields)  # type: ignore[arg-type]
    return kind == pl.String
