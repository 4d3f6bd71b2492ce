"""Report: written for every night, also for a failed one."""

from nightloom.artifacts.ids import ReportId
from nightloom.nightly.context import Night
from nightloom.nightly.steps import night_step
from nightloom.registry.night_lock import release_night_lock
from nightloom.registry.nights import is_running
from nightloom.reports import write


@night_step("report", first=True)
def write_report(night: Night) -> ReportId:
    """Write the report, unlock the recipe unless a stage is still running, and return the report's id."""
    report = write.write_report(night.store, night.registry, night.recipe, night=night.date)
    night.keep(report.kind, report.id)
    night.end("report", "done", f"report of night {night}", report.id)
    if not is_running(night.registry, night.recipe.name, night.date):
        release_night_lock(night.registry, night.recipe.name, night.date)
    return report.id
