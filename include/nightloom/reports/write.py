"""Write: gather the data of a night, store them with their page, and copy both to the var folder."""

import logging
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

from nightloom.artifacts.results import Report, ReportContent, ReportProvenance
from nightloom.core.digests import canonical_json
from nightloom.core.errors import NightloomError
from nightloom.core.manifests import Plain
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore
from nightloom.recipes.schema import Recipe
from nightloom.registry.database import Database
from nightloom.reports.document import ReportData
from nightloom.reports.headline import summarise_night
from nightloom.reports.night import NightManifests
from nightloom.reports.page import list_sections, render_page
from nightloom.reports.sections.base import Section

logger = logging.getLogger(__name__)


def write_report(store: ObjectStore, database: Database, recipe: Recipe, *, night: date) -> Report:
    """Write the report of a night, whatever its outcome, as JSON and as a page.

    The files under `report_path` are copies. They are written first, because they are all there is to read when
    the store is down.

    Raises:
        StoreError: The report cannot be stored.
        RegistryError: The registry cannot be read.
    """
    data = gather_report_data(NightManifests(store, database, recipe, night, get_settings().prices))
    document, html = canonical_json(data.model_dump(mode="json")), render_page(data).encode()
    path = report_path(recipe.name, night)
    _write_copies({path: html, path.with_suffix(".json"): document})
    report = Report(
        content=ReportContent(recipe=recipe.name, night=str(night), facts=store.put_blob(document)),
        provenance=ReportProvenance(html=store.put_blob(html)),
    )
    logger.info("report of night %s: %s", night, data.headline)
    return store.publish(report)


def gather_report_data(night: NightManifests) -> ReportData:
    """Return the data of a night's report. What is missing or unreadable is left out."""
    recipe, summary = night.recipe, summarise_night(night)
    read = {section.name: _read(section, night) for section in list_sections()}
    return ReportData(
        recipe=recipe.name,
        description=recipe.description,
        owner=recipe.owner,
        timezone=recipe.timezone,
        night=str(night.date),
        outcome=summary.outcome,
        headline=summary.headline,
        details=summary.details,
        next_steps=summary.next_steps,
        unreadable=tuple(night.lenient_store.unreadable),
        sections={name: facts.model_dump(mode="json") for name, facts in read.items() if facts is not None},
    )


def _read(section: Section[Any], night: NightManifests) -> Plain | None:
    try:
        facts: Plain | None = section.read(night)
    except NightloomError:
        raise
    except Exception as error:
        # The section may come from another package, and its error may quote a row.
        night.lenient_store.unreadable.append(f"section {section.name}: {type(error).__name__} in its reader")
        return None
    return facts


def report_path(recipe: str, night: date) -> Path:
    """Return the path of a night's page. The JSON is next to it."""
    return get_settings().var_dir / "reports" / recipe / f"{night}.html"


def _write_copies(files: dict[Path, bytes]) -> None:
    for path, data in files.items():
        partial = path.with_name(f".{path.name}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(data)
            partial.replace(path)
        except OSError as error:
            # A full disk must not prevent storing the report.
            logger.warning("report not copied to %s: %s", path, error.strerror)
            with suppress(OSError):
                partial.unlink()
