"""Rewriting: replaces a blob by one without some of its rows.

The replacement is published before the old blob is deleted, so a killed process leaves either both blobs or the new
one. A repeated rewrite continues from the last replacement.
"""

import io
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from nightloom.artifacts.frames import EVAL_ITEMS, EXAMPLES, FRAMES, get_frame
from nightloom.artifacts.leaves import Leaves, hash_rows
from nightloom.core.replacements import ErasedRow, Replacement
from nightloom.core.store import TRASH, ObjectStore, blob_key

HOLDING_TEXT = (
    *("records", "examples", "tokens", "labels", "quarantine", "lines"),
    *("eval_items", "scores", "outputs", "answers"),
)
"""Content of blobs with row text: rows, items, and model outputs about them."""

OF_ITEMS = ("eval_items", "scores", "outputs")
"""Those of them whose rows are evaluation items."""

_IN_ROOT = {"examples": EXAMPLES, "eval_items": EVAL_ITEMS}


@dataclass(frozen=True, slots=True)
class Rewritten:
    """The erased rows of a blob: their number, and their splits."""

    blob: str
    content: str
    rows: int
    splits: frozenset[str]


def find_rows(store: ObjectStore, blob: str, content: str, row_ids: Collection[str]) -> Rewritten | None:
    """Return how many of the rows a blob has, with their splits, or None if it has none."""
    if content == "lines":
        rows, splits = len(_split_lines(store.get_blob(blob), row_ids)[1]), frozenset[str]()
    else:
        frame = get_frame(store, blob, FRAMES[content]).filter(_holds(content, row_ids))
        rows, splits = len(frame), frozenset(frame["split"] if content == "examples" else ())
    return Rewritten(blob, content, rows, splits) if rows else None


def list_erased(store: ObjectStore, blob: str) -> list[ErasedRow]:
    """Return the rows erased from a frame since it was written, if it is part of a Merkle root."""
    erased: list[ErasedRow] = []
    while (replacement := store.find_replacement(blob)) is not None:
        erased += replacement.result.erased
        blob = replacement.result.blob
    return erased


def current_blob(store: ObjectStore, blob: str) -> str:
    """Return the blob that replaces another, or the same blob if no row was erased from it."""
    while (replacement := store.find_replacement(blob)) is not None:
        blob = replacement.result.blob
    return blob


def erased_leaves(erased: Sequence[ErasedRow]) -> Leaves:
    """Return the leaves of erased rows."""
    return np.frombuffer(b"".join(bytes.fromhex(row.leaf) for row in erased), np.uint8).reshape(-1, 32)


def rewrite_blob(store: ObjectStore, blob: str, content: str, row_ids: Collection[str]) -> int:
    """Erase rows from a blob and return how many there were.

    Args:
        store: The store of the blob.
        blob: Digest that manifests name.
        content: Content of the blob: one of HOLDING_TEXT.
        row_ids: Ids of rows, or of items if the blob has items.
    """
    rows = 0
    while True:
        blob = _follow(store, blob)
        data, erased, found = _leave_out(store, blob, content, row_ids)
        if not found:
            return rows
        result = Replacement.Result(blob=store.put_blob(data), erased=erased)
        # A concurrent erasure may have published first: then the loop erases this row from its result.
        published = store.publish(Replacement(key=Replacement.Key(blob=blob), result=result))
        rows = found if published.result == result else rows


def _follow(store: ObjectStore, blob: str) -> str:
    """Return the last replacement of a blob, and delete all blobs before it."""
    while (replacement := store.find_replacement(blob)) is not None:
        for key in (blob_key(blob), TRASH + blob_key(blob)):
            store.bucket.delete(key)
        blob = replacement.result.blob
    return blob


def _leave_out(
    store: ObjectStore, blob: str, content: str, row_ids: Collection[str]
) -> tuple[bytes, tuple[ErasedRow, ...], int]:
    if content == "lines":
        kept, left_out = _split_lines(store.get_blob(blob), row_ids)
        return b"".join(kept), (), len(left_out)
    frame = get_frame(store, blob, FRAMES[content])
    is_erased = _holds(content, row_ids)
    buffer = io.BytesIO()
    frame.filter(~is_erased).write_parquet(buffer, compression="zstd", statistics=True)
    erased = frame.filter(is_erased)
    return buffer.getvalue(), _list_leaves(erased, content), len(erased)


def _list_leaves(rows: pl.DataFrame, content: str) -> tuple[ErasedRow, ...]:
    if content not in _IN_ROOT:
        return ()
    splits = rows["split"] if content == "examples" else [None] * len(rows)
    leaves = (leaf.tobytes().hex() for leaf in hash_rows(rows))
    return tuple(
        ErasedRow(row_id=row_id, leaf=leaf, split=split)
        for row_id, leaf, split in zip(rows[_id_column(content)], leaves, splits, strict=True)
    )


def _split_lines(data: bytes, row_ids: Collection[str]) -> tuple[list[bytes], list[bytes]]:
    """Return the result lines of other rows, and those of these rows."""
    lines = [line + b"\n" for line in data.split(b"\n") if line]
    are_erased = [json.loads(line).get("custom_id") in row_ids for line in lines]
    kept = [line for line, is_erased in zip(lines, are_erased, strict=True) if not is_erased]
    return kept, [line for line, is_erased in zip(lines, are_erased, strict=True) if is_erased]


def _holds(content: str, row_ids: Collection[str]) -> pl.Expr:
    is_named = pl.col(_id_column(content)).is_in(list(row_ids))
    # A row that came again after its erasure is recorded by id and version only: it has no text to erase.
    has_text = pl.any_horizontal(pl.col("text", "answer", "history").is_not_null())
    return is_named & has_text if content in ("records", "quarantine") else is_named


def _id_column(content: str) -> str:
    return "item_id" if content in OF_ITEMS else "row_id"
