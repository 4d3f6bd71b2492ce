#!/usr/bin/env bash
# polars 2.1.0: a few rows filtered out of a frame keep the texts of all its rows in memory.
#
# One would expect that 20 rows of 20,000 need a thousandth of the memory once the large frame is gone, and that
# `rechunk` or at least `estimated_size` would help to see or free the rest. filter, gather and a lazy collect copy
# 16 bytes a text and share the buffers of the whole column, which live as long as one row of it does.
# `estimated_size` counts the rows alone, and `rechunk` copies nothing.
# Polars has string views since 0.20; its issue 19497 (open) reports the memory.
# For users: a loop that keeps a few rows of each batch needs the memory of all batches. Writing the column again
# (here by appending an empty text) gives the rows a buffer of their own.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile polars==2.1.0
cat > "$folder/keep.py" <<'PYTHON'
import sys

import polars as pl

WAYS = {
    "filter": lambda frame: frame.filter(pl.col("number") % 1000 == 0),
    "gather": lambda frame: frame[list(range(0, len(frame), 1000))],
    "rechunk": lambda frame: frame.filter(pl.col("number") % 1000 == 0).rechunk(),
    "rewrite": lambda frame: frame.filter(pl.col("number") % 1000 == 0).with_columns(pl.col("text") + ""),
}


def load() -> pl.DataFrame:
    """Return 20,000 texts of 1,000 characters: 20 MB."""
    number = pl.int_range(20_000)
    return pl.select(number=number, text=number.cast(pl.String).str.zfill(6) + "x" * 994)


def resident_mb() -> int:
    """Return the memory of this process."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) // 1024


keep = WAYS[sys.argv[1]]
load()
before = resident_mb()
kept = [keep(load()) for _ in range(20)]
print(sum(map(len, kept)), round(sum(frame.estimated_size("mb") for frame in kept), 1), resident_mb() - before)
PYTHON
version=$("$folder/venv/bin/python" -c 'import polars; print(polars.__version__)')
declare -A grown
for way in filter gather rechunk rewrite; do
    read -r rows estimated grown[$way] < <(POLARS_MAX_THREADS=1 "$folder/venv/bin/python" "$folder/keep.py" "$way")
    echo "$way: $rows rows kept, estimated_size $estimated MB, the process grew by ${grown[$way]} MB"
done
echo "polars $version: 400 rows ($estimated MB) hold ${grown[filter]} MB; rewritten, ${grown[rewrite]} MB"
((grown[filter] > 200 && grown[gather] > 200 && grown[rechunk] > 200 && grown[rewrite] < 100))
