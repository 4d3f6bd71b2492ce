#!/usr/bin/env bash
# Airflow 3.3.2: an asset event with a partition key starts no Dag that is scheduled on the asset.
#
# A Dag with `schedule=[asset]` waits for events of the asset. One would expect that it keeps being started when the
# producer begins to say which partition it wrote: the event says more than before, not less. But an event with a key
# is for partitioned consumers alone (`PartitionedAssetTimetable`), and one without a key for the others alone.
# Nothing fails: the event is kept and shown, the consumer just never runs again, and no line of the log says why.
# Meant so since partitioned assets came with Airflow 3.2 (issue 63734, pull request 63848).
# For users: move producer and all consumers of an asset to partitions in one step, or give the key an asset of its own.
# No scheduler is needed to see it: Dag.test() runs the producer, and the database shows which Dags are due.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile apache-airflow==3.3.2
mkdir "$folder/dags"
cat > "$folder/dags/orders.py" <<'PYTHON'
from airflow.sdk import DAG, Asset, PartitionedAssetTimetable, task

orders = Asset("orders", uri="x://orders")

with DAG("producer", schedule=None) as producer:

    @task(outlets=[orders])
    def write(*, dag_run, outlet_events) -> None:
        if key := (dag_run.conf or {}).get("key"):
            outlet_events[orders].add_partitions(key)

    write()

with DAG("on_asset", schedule=[orders]):
    task(lambda: None, task_id="read")()

with DAG("on_partition", schedule=PartitionedAssetTimetable(assets=orders)):
    task(lambda: None, task_id="read")()
PYTHON
cat > "$folder/run.py" <<'PYTHON'
import sys
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

from airflow.models.asset import AssetDagRunQueue, AssetEvent, AssetPartitionDagRun
from airflow.utils.session import create_session

sys.path.insert(0, sys.argv[1])
from orders import producer


def due() -> dict[str, list[str]]:
    """Return the events and the Dags that wait to be started, and forget them."""
    with create_session() as session:
        seen = {
            "events": [event.partition_key for event in session.query(AssetEvent)],
            "due": sorted(
                {row.target_dag_id for row in session.query(AssetDagRunQueue)}
                | {row.target_dag_id for row in session.query(AssetPartitionDagRun)}
            ),
        }
        for table in (AssetDagRunQueue, AssetPartitionDagRun, AssetEvent):
            session.query(table).delete()
    return seen


start = datetime(2026, 11, 1, tzinfo=UTC)
producer.test(logical_date=start)
without_key = due()
producer.test(logical_date=start + timedelta(days=1), run_conf={"key": "2026-11-02"})
with_key = due()
print(f"event without a key: {without_key}; with a key: {with_key}")
print(
    f"Airflow {version('apache-airflow')}: an event without a key makes {without_key['due']} due, "
    f"one with a key {with_key['due']}"
)
raise SystemExit(
    (without_key, with_key)
    != ({"events": [None], "due": ["on_asset"]}, {"events": ["2026-11-02"], "due": ["on_partition"]})
)
PYTHON
export AIRFLOW_HOME="$folder/home" AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__CORE__DAGS_FOLDER="$folder/dags"
export AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION=False
"$folder/venv/bin/airflow" db migrate > "$folder/log" 2>&1
"$folder/venv/bin/python" "$folder/run.py" "$folder/dags" 2> "$folder/log" | grep -E '^(event|Airflow) '
