"""Frames: Parquet tables kept as blobs, with the schema that each kind of table has.

All columns are text unless said otherwise; `answer` is canonical JSON of field → value. A frame is sorted by its
first columns before it is written, so that equal rows give equal bytes, unless the order of its rows says something.
"""

import io
from typing import Any

import polars as pl

from nightloom.core.errors import ManifestError
from nightloom.core.store import ObjectStore

Schema = dict[str, Any]

HISTORY = pl.List(pl.Struct({"content": pl.String, "role": pl.String}))
"""The turns of a conversation before its last question; null where the model reads one text."""

RECORDS: Schema = {
    "row_id": pl.String,  # the source's key, or the digest of the row's content where it has none
    "version": pl.String,  # ISO time in UTC of this version of the row; empty where the source has none
    "text": pl.String,
    "answer": pl.String,  # null: the source has no answer
    "slice": pl.String,
    "history": HISTORY,
    "deleted": pl.Boolean,  # the source keeps the row, and says that it is gone
}
"""Rows as they were received."""

EXAMPLES: Schema = {
    "row_id": pl.String,
    "cluster_id": pl.String,  # near-duplicates share it, and are never split apart
    "split": pl.String,  # train | selection | test
    "text": pl.String,
    "answer": pl.String,
    "slice": pl.String,
    "history": HISTORY,
}
"""Rows of a snapshot."""

TOKENS: Schema = {
    "row_id": pl.String,
    "split": pl.String,  # as in EXAMPLES
    "input_ids": pl.List(pl.Int32),  # of the whole conversation, as a model's chat template writes it
    "learned": pl.List(pl.Boolean),  # of each token, whether its prediction is learned: the answer and its end
}
"""Examples of a snapshot's shard as a model reads them. Who has the tokenizer has their text."""

LABELS: Schema = {
    "row_id": pl.String,
    "position": pl.Int32,  # of the token in the example
    "token": pl.String,  # decoded
    "learned": pl.Boolean,
}
"""One example as a model saw it, a line a token, in their order: what people look at to see what is learned."""

FAILURES: Schema = dict.fromkeys(("row_id", "version", "rule", "measured", "threshold"), pl.String)
"""Records that a suite refuses, with the reason; from validation to curation, never kept."""

EVAL_ITEMS: Schema = {
    "item_id": pl.String,  # digest of text, answer and, where there is one, history
    "cluster_id": pl.String,
    "text": pl.String,
    "answer": pl.String,
    "slice": pl.String,
    "history": HISTORY,
}
"""Items of an eval set."""

LEDGER: Schema = {
    "row_id": pl.String,
    "version": pl.String,
    "outcome": pl.String,  # kept | repaired | merged | superseded | quarantined
    "rule": pl.String,  # what decided; null for kept
    "measured": pl.String,
    "threshold": pl.String,
    "into": pl.String,  # the row that stands for a merged or superseded one
    "cluster_id": pl.String,  # null where the row was not compared with others
    "split": pl.String,  # of the cluster; a later night takes both over
    "repairs": pl.String,  # names of the operations that changed the text, separated by commas
    "text_in": pl.String,  # digest of the text as received
    "text_out": pl.String,  # digest of the text as kept; null where the row was not kept
}
"""One line for every record that came in."""

QUARANTINE: Schema = {**RECORDS, "rule": pl.String, "measured": pl.String, "threshold": pl.String}
"""Refused records as they were received, with the reason."""

RELEASES: Schema = dict.fromkeys(("row_id", "version", "rule"), pl.String)
"""Rows that people let through: this version of the row is not settled by this rule, nor repaired by it."""

CONTAMINATION: Schema = {
    "evalset": pl.String,
    "item_id": pl.String,
    "clean": pl.Boolean,  # no example that is kept repeats the item, beyond what the recipe allows
    "row_id": pl.String,  # a record that was refused for being like the item, the most similar one; null: none was
    "similarity": pl.Float64,  # of 5-grams of characters, to that record; null: it was refused for its 8-grams
    "grams_8": pl.Float64,  # share of the item's 8-grams of words that stand in kept examples; null: it is too short
    "grams_12": pl.Float64,
    "grams_13": pl.Float64,
    "spans": pl.List(
        pl.Struct({"end": pl.Int64, "start": pl.Int64})
    ),  # characters of the item that those 8-grams cover
}
"""What training data repeats of each item of the eval sets."""

SCORES: Schema = {
    "item_id": pl.String,
    "cluster_id": pl.String,
    "slice": pl.String,
    "scorer": pl.String,  # name/version
    "field": pl.String,  # of the answer; null: the answer as a whole
    "value": pl.Float64,  # null: the item could not be scored, which is not the same as wrong
    "explanation": pl.String,  # why, where the value does not say it; it may quote the answer
}
"""Scores of one model on one eval set: a line an item, scorer and field."""

OUTPUTS: Schema = {"item_id": pl.String, "output": pl.String}
"""What one model wrote to each item of an eval set."""

ANSWERS: Schema = {
    "row_id": pl.String,  # of the row, or of the item, that was asked about
    "call": pl.String,  # the call's key
    "answer": pl.String,  # an `Answer` in JSON, without what is at its default
}
"""What one engine answered to rows of one frame."""

FRAMES: dict[str, Schema] = {
    "records": RECORDS,
    "examples": EXAMPLES,
    "tokens": TOKENS,
    "labels": LABELS,
    "eval_items": EVAL_ITEMS,
    "ledger": LEDGER,
    "quarantine": QUARANTINE,
    "releases": RELEASES,
    "contamination": CONTAMINATION,
    "scores": SCORES,
    "outputs": OUTPUTS,
    "answers": ANSWERS,
}
"""What the type of a field calls the blob that it names."""


def put_frame(store: ObjectStore, frame: pl.DataFrame, schema: Schema, *, sort: bool = True) -> str:
    """Keep a frame as Parquet and return the blob's digest; its columns are those of the schema, in order."""
    ordered = frame.select([pl.col(name).cast(kind) for name, kind in schema.items()])
    if sort:
        ordered = ordered.sort(list(schema)[:2], maintain_order=True)
    buffer = io.BytesIO()
    # The lowest level: the default takes half as long again for a tenth of the bytes.
    ordered.write_parquet(buffer, compression="zstd", compression_level=1, statistics=True)
    return store.put_blob(buffer.getvalue())


def get_frame(store: ObjectStore, digest: str, schema: Schema) -> pl.DataFrame:
    """Return a kept frame.

    Raises:
        ManifestError: The blob is missing, damaged, or has other columns.
    """
    frame = pl.read_parquet(io.BytesIO(store.get_blob(digest)))
    if dict(frame.schema) != schema:
        msg = f"blob {digest} has columns {dict(frame.schema)}, not {schema}"
        raise ManifestError(msg)
    return frame
