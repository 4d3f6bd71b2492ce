"""Example tickets: the ticket system of the example recipe gets its new day, as a real one would by itself.

**Goes in:** the seeded grammar of `nightloom.examples.support_triage`.

**Comes out:** rows in the database that the connection `tickets` names, a week ahead, so that it does not matter which
Dag runs first.

**Safe to run again?** Yes. A day that is there is not written again.

**When it is red:** the example's database could not be written; the task's last log line says why. No real recipe needs
this Dag: it is there only while the recipe `support_triage` is.
"""

from airflow.sdk import DAG, CronTriggerTimetable, task
from airflow.sdk.exceptions import AirflowSkipException
from nightloom.orchestration.dags import common_arguments, has_recipe


@task
def feed_tickets() -> None:
    """Go on with the example's tickets; a database of that name that is somebody's own is left alone."""
    from nightloom.core.connections import resolve_connection
    from nightloom.core.nights import utc_now
    from nightloom.examples.support_triage.coming import feed_coming_days

    if feed_coming_days(resolve_connection("tickets"), utc_now().date()) is None:
        msg = "the connection `tickets` leads to no example; `make nightly` begins one"
        raise AirflowSkipException(msg)


if has_recipe("support_triage"):
    with DAG(
        "example_tickets",
        schedule=CronTriggerTimetable("30 0 * * *", timezone="UTC"),
        doc_md=__doc__,
        **common_arguments("nightloom", "writes the example's tickets of the coming days"),
    ):
        feed_tickets()
