"""Write: a night's report, kept in the store and put where people find it."""

import logging
from contextlib import suppress
from datetime import date
from pathlib import Path

from nightloom.artifacts.results import Report, ReportContent, ReportProvenance
from nightloom.core.digests import canonical_json
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore
from nightloom.recipes.schema import Recipe
from nightloom.registry.database import Database
from nightloom.reports.gather import gather_facts
from nightloom.reports.page import render_page

logger = logging.getLogger(__name__)


def write_report(store: ObjectStore, database: Database, recipe: Recipe, *, night: date) -> Report:
    """Write what a night came to, whatever that is, as facts and as a page.

    The files under `report_path` are copies for convenience and are written first: when the store is what failed,
    they are all that there is to read.

    Raises:
        StoreError: The store refused the report.
        RegistryError: The registry cannot be read.
    """
    facts = gather_facts(store, database, recipe, night=night, prices=get_settings().prices)
    data, html = canonical_json(facts.model_dump(mode="json")), render_page(facts).encode()
    path = report_path(recipe.name, night)
    _write_copies({path: html, path.with_suffix(".json"): data})
    report = Report(
        content=ReportContent(recipe=recipe.name, night=str(night), facts=store.put_blob(data)),
        provenance=ReportProvenance(html=store.put_blob(html)),
    )
    logger.info("report of night %s: %s", night, facts.answer)
    return store.publish(report)


def report_path(recipe: str, night: date) -> Path:
    """Give where the page of a night lies; the facts lie beside it, as JSON."""
    return get_settings().var_dir / "reports" / recipe / f"{night}.html"


def _write_copies(files: dict[Path, bytes]) -> None:
    for path, data in files.items():
        partial = path.with_name(f".{path.name}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(data)
            partial.replace(path)
        except OSError as error:
            # A full disk must not keep the report from the store.
            logger.warning("no copy of the report at %s: %s", path, error.strerror)
            with suppress(OSError):
                partial.unlink()
