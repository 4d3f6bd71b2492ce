"""Frames: Parquet tables kept as blobs, with the schema that each kind of table has.

All columns are text unless said otherwise; `answer` is canonical JSON of field → value. A frame is sorted by its
first columns before it is written, so that equal rows give equal bytes, unless the order of its rows has a meaning.
"""

import io
from typing import Any

import polars as pl

from nightloom.core.errors import ManifestError
from nightloom.core.store import ObjectStore

Schema = dict[str, Any]

HISTORY = pl.List(pl.Struct({"content": pl.String, "role": pl.String}))
"""The messages of a conversation before its last question; null if the model reads a single text."""

FAULT = pl.Struct({"measured": pl.String, "rule": pl.String})
"""Why a row cannot be used, as its source shows: a rule of curation, and what was measured; without text of the row."""

RECORDS: Schema = {
    "row_id": pl.String,  # the source's key, or the digest of the row's content if there is no key
    "version": pl.String,  # ISO time in UTC of this version of the row; empty if the source has no versions
    "text": pl.String,
    "answer": pl.String,  # null if the source has no answer
    "slice": pl.String,
    "history": HISTORY,
    "deleted": pl.Boolean,  # the source still lists the row, marked as deleted
    "fault": FAULT,  # null if the row can be used as far as its source shows
}
"""Rows as received from the source."""

EXAMPLES: Schema = {
    "row_id": pl.String,
    "cluster_id": pl.String,  # shared by near-duplicates, which always get the same split
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
    "input_ids": pl.List(pl.Int32),  # of the whole conversation, rendered by the model's chat template
    "learned": pl.List(pl.Boolean),  # whether the token counts in the loss: those of the answer and its end token
    "intact": pl.Boolean,  # whether the chat template writes the answer as it is
}
"""Examples of a snapshot's shard as token ids. The tokenizer turns them back into text, so they count as row text."""

LABELS: Schema = {
    "row_id": pl.String,
    "position": pl.Int32,  # index of the token in the example
    "token": pl.String,  # decoded
    "learned": pl.Boolean,
}
"""One training example, a line per token in order, so that people can check what is learned."""

FAILURES: Schema = dict.fromkeys(("row_id", "version", "rule", "measured", "threshold"), pl.String)
"""Records that a suite refuses, with the reason. Passed from validation to curation, not stored."""

EVAL_ITEMS: Schema = {
    "item_id": pl.String,  # digest of text, answer and history, if there is one
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
    "rule": pl.String,  # the rule that decided; null for kept rows
    "measured": pl.String,
    "threshold": pl.String,
    "into": pl.String,  # row id of the row that a merged or superseded one was replaced by
    "cluster_id": pl.String,  # null if the row was not compared with others
    "split": pl.String,  # split of the cluster; later nights keep both
    "repairs": pl.String,  # names of the operations that changed texts or answer, comma-separated
    "text_in": pl.String,  # digest of the text as received
    "text_out": pl.String,  # digest of the text as kept; null if the row was not kept
}
"""One line for every record of the night."""

QUARANTINE: Schema = {**RECORDS, "rule": pl.String, "measured": pl.String, "threshold": pl.String}
"""Refused records as received, with the reason."""

RELEASES: Schema = dict.fromkeys(("row_id", "version", "rule"), pl.String)
"""Rows released by a person: this rule no longer quarantines or repairs this version of the row."""

CONTAMINATION: Schema = {
    "evalset": pl.String,
    "item_id": pl.String,
    "clean": pl.Boolean,  # kept examples repeat less of it than the recipe allows; null if it is too short to measure
    "other_numbers": pl.Boolean,  # kept examples repeat it, but only with other numbers
    "row_id": pl.String,  # the most similar record that was refused for it; null if none was
    "similarity": pl.Float64,  # of character 5-grams, to that record; null if it was refused for its word n-grams
    # Share of the item's 8-grams found in kept examples; six or seven words are one gram, and fewer are null.
    "grams_8": pl.Float64,
    "grams_12": pl.Float64,
    "grams_13": pl.Float64,
    "masked_8": pl.Float64,  # as grams_8, with the digits of item and examples masked
    "spans": pl.List(
        pl.Struct({"end": pl.Int64, "start": pl.Int64})
    ),  # character ranges of the item that those 8-grams cover
}
"""Contamination: how much of each eval set item the training data repeats."""

SCORES: Schema = {
    "item_id": pl.String,
    "cluster_id": pl.String,
    "slice": pl.String,
    "scorer": pl.String,  # name/version
    "field": pl.String,  # field of the answer; null for the answer as a whole
    "value": pl.Float64,  # null if the item could not be scored, which is not the same as wrong
    "explanation": pl.String,  # the scorer's reason, if it gives one; may quote the answer
}
"""Scores of one model on one eval set: one line per item, scorer and field."""

OUTPUTS: Schema = {"item_id": pl.String, "output": pl.String}
"""What one model wrote to each item of an eval set."""

ANSWERS: Schema = {
    "row_id": pl.String,  # id of the row or item that the request was about
    "call": pl.String,  # the call's key
    "answer": pl.String,  # an `Answer` in JSON, without fields at their default
}
"""Answers of one engine to rows of one frame."""

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
"""Schemas by the content name that `Names` gives a blob."""


def put_frame(store: ObjectStore, frame: pl.DataFrame, schema: Schema, *, sort: bool = True) -> str:
    """Store a frame as Parquet, with the schema's columns in order, and return the blob's digest."""
    ordered = frame.select([pl.col(name).cast(kind) for name, kind in schema.items()])
    if sort:
        ordered = ordered.sort(list(schema)[:2], maintain_order=True)
    buffer = io.BytesIO()
    # The lowest level: the default takes 50 % longer and saves a tenth of the bytes.
    ordered.write_parquet(buffer, compression="zstd", compression_level=1, statistics=True)
    return store.put_blob(buffer.getvalue())


def get_frame(store: ObjectStore, digest: str, schema: Schema) -> pl.DataFrame:
    """Return a stored frame.

    Raises:
        ManifestError: The blob is missing, damaged, or has other columns.
    """
    frame = pl.read_parquet(io.BytesIO(store.get_blob(digest)))
    if dict(frame.schema) != schema:
        msg = f"blob {digest} has columns {dict(frame.schema)}, not {schema}"
        raise ManifestError(msg)
    return frame
