#!/usr/bin/env bash
# pyarrow 26.0.1: reading a Parquet file batch by batch holds the whole file in memory.
#
# `ParquetFile.iter_batches` is the advice for files that do not fit into memory, and one would expect it to hold a row
# group at most. It fetches the chunks of all row groups ahead (`pre_buffer`, on by default) and frees none of them
# before the last batch: the peak is the size of the file as it is on disk, plus a batch.
# Known of `Dataset.to_batches` (apache/arrow issue 39808), where `iter_batches` is named as the way out.
# For users: pass `pre_buffer=False`, or read one row group at a time.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile pyarrow==26.0.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.parquet as pq

schema = pa.schema([("text", pa.string())])
with pq.ParquetWriter("texts.parquet", schema, compression="none", use_dictionary=False) as writer:
    for group in range(20):  # row groups of 2 MB
        writer.write_table(pa.table({"text": [f"{group:03}{row:04}" + "x" * 1993 for row in range(1000)]}, schema))


def peak_mb(batches: Iterable[pa.RecordBatch]) -> float:
    """Return the most that Arrow held while each batch was read and dropped."""
    before = pa.total_allocated_bytes()
    return round(max(pa.total_allocated_bytes() - before for _ in batches) / 1e6, 1)


def read(**settings: bool) -> float:
    """Return the peak of reading all batches."""
    return peak_mb(pq.ParquetFile("texts.parquet", **settings).iter_batches(batch_size=100))


by_default, unbuffered = read(), read(pre_buffer=False)
file = pq.ParquetFile("texts.parquet")
by_group = peak_mb(
    batch for group in range(file.num_row_groups) for batch in file.iter_batches(batch_size=100, row_groups=[group])
)
print(f"20 groups of 2 MB: by default {by_default} MB, pre_buffer=False {unbuffered} MB, by row group {by_group} MB")
print(f"pyarrow {pa.__version__}: iter_batches holds {by_default} MB of a 40 MB file; pre_buffer=False {unbuffered} MB")
raise SystemExit(not (by_default > 35 and unbuffered < 10 and by_group < 10))
PYTHON
