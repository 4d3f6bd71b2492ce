"""Exporting: the results of a night's batch as frames, and as one file for other tools."""

from collections.abc import Iterator
from pathlib import Path
from typing import IO

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from nightloom.artifacts.ids import PredictionsId
from nightloom.artifacts.predictions import PredictionPlan, Predictions
from nightloom.core.errors import InputError
from nightloom.core.store import ObjectStore
from nightloom.prediction.lines import ResultLine, load_lines

ENDINGS = (".jsonl", ".csv", ".parquet")

_FIXED = ("row_id", "status", "flags", "error", "finish_reason", "output", "model", "prompt", "night")


def read_predictions(store: ObjectStore, predictions_id: PredictionsId) -> Iterator[pl.DataFrame]:
    """Return the results shard by shard, one line per row.

    The columns are `row_id`, `status`, one for each field of the answer, `flags`, `error` (code of the reason why a row
    has no answer), `finish_reason`, `output` (what the model wrote), `model`, `prompt` and `night`. A field with the
    name of another column is called `answer.<field>`.
    """
    predictions = store.load(Predictions, predictions_id).content
    fields = store.load(PredictionPlan, predictions.plan).content.task.field_order
    names = {field: f"answer.{field}" if field in _FIXED else field for field in fields}
    columns = [*_FIXED[:2], *names.values(), *_FIXED[2:]]
    for file in predictions.files:
        lines = [_list_values(line, names) for line in load_lines(store.get_blob(file))]
        yield pl.DataFrame(lines, dict.fromkeys(columns, pl.String))


def export_predictions(store: ObjectStore, predictions_id: PredictionsId, path: Path) -> int:
    """Write the results to one file, whole or not at all, and return the number of rows.

    Args:
        store: Holds the predictions.
        predictions_id: The predictions.
        path: A file that ends in one of ENDINGS. JSONL has the lines in the output format of the OpenAI batch API,
            the others have the columns of `read_predictions`.

    Raises:
        InputError: The file has another ending.
        OSError: The file cannot be written.
    """
    if path.suffix not in ENDINGS:
        msg = f"{path.name!r} does not end in {', '.join(ENDINGS)}; name the file so"
        raise InputError(msg)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}")
    with temporary.open("wb") as file:
        rows = _write(store, predictions_id, path.suffix, file)
    temporary.replace(path)
    return rows


def _write(store: ObjectStore, predictions_id: PredictionsId, ending: str, file: IO[bytes]) -> int:
    """Write shard by shard, because a batch may have millions of rows."""
    rows = 0
    if ending == ".jsonl":
        for blob in store.load(Predictions, predictions_id).content.files:
            data = store.get_blob(blob)
            rows += data.count(b"\n")
            file.write(data)
        return rows
    writer: pq.ParquetWriter | None = None
    for frame in read_predictions(store, predictions_id):
        if ending == ".csv":
            frame.write_csv(file, include_header=not rows)
        else:
            table: pa.Table = frame.to_arrow()
            writer = writer or pq.ParquetWriter(file, table.schema, compression="zstd")
            writer.write_table(table)
        rows += len(frame)
    if writer:
        writer.close()
    return rows


def _list_values(line: ResultLine, names: dict[str, str]) -> dict[str, str | None]:
    outcome, choice = line.nightloom, line.response.body.choices[0] if line.response else None
    answer = outcome.answer or {}
    return {
        "row_id": line.custom_id,
        "status": outcome.status,
        **{column: answer.get(field) for field, column in names.items()},
        "flags": ",".join(outcome.flags) or None,
        "error": line.error.code if line.error else None,
        "finish_reason": choice.finish_reason if choice else None,
        "output": choice.message.content if choice else None,
        "model": outcome.model.adapter or outcome.model.base,
        "prompt": outcome.prompt,
        "night": outcome.night,
    }
