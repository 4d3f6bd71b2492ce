"""Report: what the night came to, written whatever it came to."""

from nightloom.core.nights import Stop, parse_night
from nightloom.core.store import open_store
from nightloom.nightly.stops import night_step
from nightloom.recipes.check import load_recipe
from nightloom.registry.database import open_database
from nightloom.registry.nights import end_stage, index_manifest
from nightloom.reports import write


@night_step("report", first=True)
def write_report(recipe: str, night: str) -> str | Stop:
    """Write the report of a night, and give its id."""
    database, date = open_database(), parse_night(night)
    report = write.write_report(open_store(), database, load_recipe(recipe), night=date)
    index_manifest(database, "report", report.id, recipe, date)
    end_stage(database, recipe, date, "report", "done", f"report of night {night}", report.id)
    return report.id
