"""Example tickets: adds the new day's tickets to the example's database, as a real ticket system would.

**Goes in:** the seeded grammar of `nightloom.examples.support_triage`.

**Comes out:** rows in the database of the connection `tickets`, a week ahead, so that the order of Dags does not
matter.

**Safe to run again?** Yes. A day that exists is not written again.

**When it is red:** the example's database could not be written. The task's last log line says why. No real recipe needs
this Dag. It exists only with the recipe `support_triage`.
"""

from airflow.sdk import DAG, CronTriggerTimetable, task
from airflow.sdk.exceptions import AirflowSkipException
from nightloom.orchestration.dags import common_arguments, has_recipe


@task
def feed_tickets() -> None:
    """Add the example's tickets, unless the connection is another database."""
    from nightloom.core.connections import resolve_connection
    from nightloom.core.nights import utc_now
    from nightloom.examples.support_triage.coming import feed_coming_days

    if feed_coming_days(resolve_connection("tickets"), utc_now().date()) is None:
        msg = "the connection `tickets` is not the example's database; `make nightly` creates one"
        raise AirflowSkipException(msg)


if has_recipe("support_triage"):
    with DAG(
        "example_tickets",
        schedule=CronTriggerTimetable("30 0 * * *", timezone="UTC"),
        doc_md=__doc__,
        **common_arguments("nightloom", "writes the example's tickets of the coming days"),
    ):
        feed_tickets()
