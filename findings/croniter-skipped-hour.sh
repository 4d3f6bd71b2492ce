#!/usr/bin/env bash
# croniter 7.0.0: of an hour that clocks skip, every start is at the hour's end.
#
# On 29 March 2026 clocks in Berlin go from 02:00 to 03:00. For a start at 02:30 one would expect that it is left out, or
# that it keeps its distance: 03:30, as zoneinfo, pendulum and Airflow's timetables read the time. With an aware start
# time croniter gives 03:00, and the same for 02:00, 02:15 and 02:59, so starts that were apart come at one moment.
# A program that asks croniter when Airflow starts a Dag is up to an hour early, once a year.
# For users: ask with a naive time, and give the result its zone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile croniter==7.0.0 tzdata
"$folder/venv/bin/python" - <<'PYTHON'
from datetime import datetime
from importlib.metadata import version
from zoneinfo import ZoneInfo

from croniter import croniter

berlin, midnight = ZoneInfo("Europe/Berlin"), datetime(2026, 3, 29)
aware, naive = [], []
for minute in (0, 15, 30, 59):
    cron = f"{minute} 2 * * *"
    aware.append(croniter(cron, midnight.replace(tzinfo=berlin)).get_next(datetime).strftime("%H:%M"))
    local = croniter(cron, midnight).get_next(datetime).replace(tzinfo=berlin)
    naive.append(local.astimezone(ZoneInfo("UTC")).astimezone(berlin).strftime("%H:%M"))
print(f"starts at 02:00, 02:15, 02:30 and 02:59: croniter {' '.join(aware)}, zoneinfo {' '.join(naive)}")
print(f"croniter {version('croniter')}: on the night of the clock change, 02:30 is at {aware[2]} and not at {naive[2]}")
raise SystemExit(aware != ["03:00"] * 4 or naive != ["03:00", "03:15", "03:30", "03:59"])
PYTHON
