"""Read Dags and plugins as Airflow does, and write the result as JSON: `read_dags.py FOLDER ANSWER`."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import airflow.sdk
from airflow.dag_processing.dagbag import DagBag
from airflow.plugins_manager import get_fastapi_plugins, get_import_errors


def describe_dag(dag: Any) -> dict[str, Any]:
    """Return the properties of a Dag that policies check."""
    return {
        "file": Path(dag.fileloc).name,
        "tags": sorted(dag.tags),
        "description": dag.description,
        "doc": dag.doc_md,
        "params": sorted(dag.params),
        "max_active_runs": dag.max_active_runs,
        "catchup": dag.catchup,
        "paused": dag.is_paused_upon_creation,
        "start_date": str(dag.start_date),
        "access": {role: sorted(found["DAGs"]) for role, found in (dag.access_control or {}).items()},
        "schedule": f"{type(dag.timetable).__name__} {getattr(dag.timetable, 'expression', '')}".strip(),
        "zone": str(getattr(dag.timetable, "timezone", "")),
        "asset": getattr(getattr(dag.timetable, "asset_condition", None), "name", None),
        "tasks": {task.task_id: describe_task(task) for task in dag.tasks},
    }


def describe_task(task: Any) -> dict[str, Any]:
    """Return the properties of a task that policies check."""
    return {
        "owner": task.owner,
        "retries": task.retries,
        "policy": type(task.retry_policy).__name__,
        "timeout_s": task.execution_timeout.total_seconds() if task.execution_timeout else None,
        "pool": task.pool,
        "backoff": task.retry_exponential_backoff,
        "teardown": task.is_teardown,
        "upstream": sorted(task.upstream_task_ids),
        "outlets": [asset.name for asset in task.outlets],
        "step": task.partial_kwargs.get("step") if task.is_mapped else getattr(task, "step", None),
        "arguments": sorted((task.partial_kwargs if task.is_mapped else vars(task)).get("arguments") or ()),
        "over": task.partial_kwargs.get("over") if task.is_mapped else None,
    }


def main() -> None:
    """Time each file, then load all of them."""
    folder, answer = Path(sys.argv[1]), Path(sys.argv[2])
    assert airflow.sdk.DAG  # imported before, so that it is not counted as time of a file
    seconds = {}
    for path in sorted(folder.glob("*.py")):
        started = time.process_time()
        DagBag(path)
        seconds[path.name] = time.process_time() - started
    bag = DagBag(folder)
    apps, _ = get_fastapi_plugins()
    facts = {
        "dags": {dag_id: describe_dag(dag) for dag_id, dag in bag.dags.items()},
        "import_errors": {Path(path).name: error for path, error in bag.import_errors.items()},
        "seconds": seconds,
        "apps": [app["name"] for app in apps],
        "plugin_errors": get_import_errors(),
        "modules": sorted({name.partition(".")[0] for name in sys.modules}),
    }
    answer.write_text(json.dumps(facts))


if __name__ == "__main__":
    main()
