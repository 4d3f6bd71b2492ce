#!/usr/bin/env bash
# deltalake 1.6.6: time travel goes by the files' times, not by the log's, and answers where there is no answer.
#
# Each commit of a Delta table writes its time down, and `history()` shows it. One would expect
# `load_as_version(datetime)` to go by that time, and to refuse a moment before the table existed.
# It goes by the time at which the log's files were last modified. A table that was copied, synchronised to another
# bucket or restored from a backup has new ones, and every question about the past is answered with the first
# version, without a warning. So is every question about a time before the table was made.
# Spark has done the same since 2019 (delta-io/delta issue 192), but it refuses times out of range.
# For users: pick the version out of `history()` by its timestamps, and load it by its number.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile deltalake==1.6.6 pyarrow==26.0.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import shutil
import time
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

for number in range(3):
    write_deltalake("table", pa.table({"number": [number]}), mode="append")
    time.sleep(0.1)
shutil.copytree("table", "copy", copy_function=shutil.copy)  # times of files are those of the copying


def times(name: str) -> list[datetime]:
    """Return the time of each version, by the table's own history."""
    commits = sorted(DeltaTable(name).history(), key=lambda commit: commit["version"])
    return [datetime.fromtimestamp(commit["timestamp"] / 1000, UTC) for commit in commits]


def version_at(name: str, moment: datetime) -> int:
    """Return the version that time travel gives."""
    table = DeltaTable(name)
    table.load_as_version(moment)
    return table.version()


later = timedelta(milliseconds=50)
original = [version_at("table", moment + later) for moment in times("table")]
copied = [version_at("copy", moment + later) for moment in times("copy")]
before = version_at("table", times("table")[0] - timedelta(days=365))
print(f"the copy's history is the same: {times('copy') == times('table')}")
print(f"50 ms after versions 0, 1, 2: {original} in the table, {copied} in its copy; a year before it: {before}")
print(
    f"deltalake {version('deltalake')}: of a copied table each moment of the past is version {set(copied)}, "
    f"and a year before its first commit is version {before}"
)
raise SystemExit(not (times("copy") == times("table") and (original, copied, before) == ([0, 1, 2], [0, 0, 0], 0)))
PYTHON
