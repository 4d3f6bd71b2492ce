"""Maintenance: verifies the log of refs and compares the registry's index with the store, once a week.

**Goes in:** the registry's log, refs and index, and the list of manifests in the store.

**Comes out:** a line in each task's log with the number of verified moves and manifests. Nothing is changed.

**Safe to run again?** Yes, at any time, also while nights run.

**When it is red:** the task's last log line says why.

- `verify_log`: a line of the ref log was changed or removed, or a ref was moved without a line. Something other than
  Nightloom changed the registry. Trust no ref that moved since then. Restore the registry from a backup.
- `compare_index`: the index and the store differ. Run `nightloom registry rebuild`.
- Either: the registry or the object store is down (`nightloom doctor`).
"""

from airflow.sdk import DAG, CronTriggerTimetable
from nightloom.orchestration.dags import common_arguments
from nightloom.orchestration.maintenance import compare_index, verify_log

with DAG(
    "maintenance",
    schedule=CronTriggerTimetable("0 12 * * 0", timezone="UTC"),
    doc_md=__doc__,
    **common_arguments("nightloom", "verifies the log of refs, and compares the index with the store"),
):
    verify_log()
    compare_index()
