#!/usr/bin/env bash
# Airflow 3.3.2: a backfill "to" a date leaves out that date's run.
#
# `airflow backfill create --from-date 2026-11-01 --to-date 2026-11-03` of a Dag that starts daily at 01:00: one would
# expect three runs, since both options are called dates and the first day is in. There are two. The range ends at the
# moment 2026-11-03 00:00 UTC, and the run of the 3rd starts an hour after it. A Dag that starts at midnight gets all
# three, so the same command covers a different number of days by the hour of the schedule.
# So since backfills are a part of the scheduler (Airflow 3.0), though `--help` calls both ends inclusive.
# For users: give --to-date with a time, and read what --dry-run lists; a day that is left out is reported nowhere.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile apache-airflow==3.3.2
mkdir "$folder/dags"
cat > "$folder/dags/nightly.py" <<'PYTHON'
from datetime import UTC, datetime

from airflow.sdk import DAG, task

for name, cron in {"at_one": "0 1 * * *", "at_midnight": "0 0 * * *"}.items():
    with DAG(name, schedule=cron, start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False):
        task(lambda: None, task_id="work")()
PYTHON
export AIRFLOW_HOME="$folder/home" AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__CORE__DAGS_FOLDER="$folder/dags"
airflow() { "$folder/venv/bin/airflow" "$@" 2> "$folder/log"; }
airflow db migrate > "$folder/log"
airflow dags reserialize > "$folder/log"
nights() {
    airflow backfill create --dag-id "$1" --from-date 2026-11-01 --to-date "$2" --dry-run |
        grep -oE '^\| 2026-11-[0-9]{2}' | cut -d- -f3 | paste -sd' '
}
one=$(nights at_one 2026-11-03)
midnight=$(nights at_midnight 2026-11-03)
timed=$(nights at_one 2026-11-03T23:59)
version=$(airflow version)
echo "to 2026-11-03: at 01:00 the days $one; at 00:00 the days $midnight; to 2026-11-03T23:59, at 01:00 the days $timed"
echo "Airflow $version: a backfill from 1 to 3 November runs the days $one of a Dag at 01:00, $midnight of one at 00:00"
[[ $one == "01 02" && $midnight == "01 02 03" && $timed == "01 02 03" ]]
