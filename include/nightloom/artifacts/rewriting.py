"""Rewriting: a blob without some of its rows, and the record that stands in the old one's place.

The replacement is published before the old blob is deleted, so a process that is killed leaves either both blobs or the
new one. Whoever rewrites again goes on from the last replacement.
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
"""Blobs in which words of a row lie: the row itself, what a model said to it, and what it said to an item."""

OF_ITEMS = ("eval_items", "scores", "outputs")
"""Of those, the ones whose rows are evaluation items."""

_IN_ROOT = {"examples": EXAMPLES, "eval_items": EVAL_ITEMS}


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What a blob held of the rows that it holds no more: ids, and the splits that they were in."""

    blob: str
    content: str
    rows: int
    splits: frozenset[str]


def find_rows(store: ObjectStore, blob: str, content: str, row_ids: Collection[str]) -> Rewritten | None:
    """Describe what a blob holds of rows; nothing, when it does not hold them."""
    if content == "lines":
        rows, splits = len(_split_lines(store.get_blob(blob), row_ids)[1]), frozenset[str]()
    else:
        frame = get_frame(store, blob, FRAMES[content]).filter(_holds(content, row_ids))
        rows, splits = len(frame), frozenset(frame["split"] if content == "examples" else ())
    return Rewritten(blob, content, rows, splits) if rows else None


def list_erased(store: ObjectStore, blob: str) -> list[ErasedRow]:
    """Return the rows that were erased from a frame of a root since it was written."""
    erased: list[ErasedRow] = []
    while (replacement := store.find_replacement(blob)) is not None:
        erased += replacement.result.erased
        blob = replacement.result.blob
    return erased


def current_blob(store: ObjectStore, blob: str) -> str:
    """Return the blob that stands in for another: itself, where no row was erased from it."""
    while (replacement := store.find_replacement(blob)) is not None:
        blob = replacement.result.blob
    return blob


def erased_leaves(erased: Sequence[ErasedRow]) -> Leaves:
    """Return the leaves that are kept of erased rows."""
    return np.frombuffer(b"".join(bytes.fromhex(row.leaf) for row in erased), np.uint8).reshape(-1, 32)


def rewrite_blob(store: ObjectStore, blob: str, content: str, row_ids: Collection[str]) -> int:
    """Take rows out of a blob for good, and give how many there were.

    Args:
        store: Where it lies.
        blob: Digest that manifests name it by.
        content: What it holds: one of HOLDING_TEXT.
        row_ids: Ids of rows, or of items where it holds those.
    """
    rows = 0
    while True:
        blob = _follow(store, blob)
        data, erased, found = _leave_out(store, blob, content, row_ids)
        if not found:
            return rows
        result = Replacement.Result(blob=store.put_blob(data), erased=erased)
        # Whoever was quicker to erase another row stands: this one is taken out of what they left.
        stands = store.publish(Replacement(key=Replacement.Key(blob=blob), result=result))
        rows = found if stands.result == result else rows


def _follow(store: ObjectStore, blob: str) -> str:
    """Return the blob that stands at the end, and delete all before it."""
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
    gone = frame.filter(is_erased)
    return buffer.getvalue(), _keep_leaves(gone, content), len(gone)


def _keep_leaves(rows: pl.DataFrame, content: str) -> tuple[ErasedRow, ...]:
    if content not in _IN_ROOT:
        return ()
    splits = rows["split"] if content == "examples" else [None] * len(rows)
    leaves = (leaf.tobytes().hex() for leaf in hash_rows(rows))
    return tuple(
        ErasedRow(row_id=row_id, leaf=leaf, split=split)
        for row_id, leaf, split in zip(rows[_id_column(content)], leaves, splits, strict=True)
    )


def _split_lines(data: bytes, row_ids: Collection[str]) -> tuple[list[bytes], list[bytes]]:
    """Return the lines of results of other rows, and of these."""
    lines = [line + b"\n" for line in data.split(b"\n") if line]
    are_erased = [json.loads(line).get("custom_id") in row_ids for line in lines]
    kept = [line for line, is_erased in zip(lines, are_erased, strict=True) if not is_erased]
    return kept, [line for line, is_erased in zip(lines, are_erased, strict=True) if is_erased]


def _holds(content: str, row_ids: Collection[str]) -> pl.Expr:
    is_named = pl.col(_id_column(content)).is_in(list(row_ids))
    # That a row came after it was erased is told by its id and version, and by nothing else.
    told = pl.any_horizontal(pl.col("text", "answer", "history").is_not_null())
    return is_named & told if content in ("records", "quarantine") else is_named


def _id_column(content: str) -> str:
    return "item_id" if content in OF_ITEMS else "row_id"
