"""Nightwatch: writes a report for each night that has none at its deadline, and alerts the team.

**Goes in:** schedule and deadline of each valid recipe, and the outcomes in the registry.

**Comes out:** for each late night a report of what is known, and an alert. Usually no night is late, and the second
task is skipped.

**Safe to run again?** Yes. A night with a report is not late. A late night continues, and its own report replaces this
one.

**When it is red:** a report could not be written or an alert not sent. The task's last log line says why. The registry
or the object store is down (`nightloom doctor`), or the recipe's alert channel is wrong.
"""

from airflow.sdk import DAG, CronTriggerTimetable
from nightloom.orchestration.dags import common_arguments
from nightloom.orchestration.deadlines import find_late_nights, write_late_report

with DAG(
    "nightwatch",
    schedule=CronTriggerTimetable("*/15 * * * *", timezone="UTC"),
    doc_md=__doc__,
    **common_arguments("nightloom", "reports every night that is late, and alerts its team"),
):
    write_late_report.expand_kwargs(find_late_nights())
