"""Write: the facts of a night gathered, kept in the store with their page, and put where people find them."""

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
from nightloom.reports.document import ReportFacts
from nightloom.reports.headline import conclude
from nightloom.reports.night import NightManifests
from nightloom.reports.page import list_sections, render_page
from nightloom.reports.sections.base import Section

logger = logging.getLogger(__name__)


def write_report(store: ObjectStore, database: Database, recipe: Recipe, *, night: date) -> Report:
    """Write what a night came to, whatever that is, as facts and as a page.

    The files under `report_path` are copies for convenience and are written first: when the store is what failed,
    they are all that there is to read.

    Raises:
        StoreError: The store refused the report.
        RegistryError: The registry cannot be read.
    """
    facts = gather_facts(NightManifests(store, database, recipe, night, get_settings().prices))
    data, html = canonical_json(facts.model_dump(mode="json")), render_page(facts).encode()
    path = report_path(recipe.name, night)
    _write_copies({path: html, path.with_suffix(".json"): data})
    report = Report(
        content=ReportContent(recipe=recipe.name, night=str(night), facts=store.put_blob(data)),
        provenance=ReportProvenance(html=store.put_blob(html)),
    )
    logger.info("report of night %s: %s", night, facts.headline)
    return store.publish(report)


def gather_facts(night: NightManifests) -> ReportFacts:
    """Return what there is; nothing that is missing or cannot be read keeps the rest from being told."""
    recipe, concluded = night.recipe, conclude(night)
    read = {section.name: _read(section, night) for section in list_sections()}
    return ReportFacts(
        recipe=recipe.name,
        description=recipe.description,
        owner=recipe.owner,
        timezone=recipe.timezone,
        night=str(night.date),
        conclusion=concluded.conclusion,
        headline=concluded.headline,
        detail=concluded.detail,
        next_steps=concluded.next_steps,
        unreadable=tuple(night.shelf.unreadable),
        sections={name: facts.model_dump(mode="json") for name, facts in read.items() if facts is not None},
    )


def _read(section: Section[Any], night: NightManifests) -> Plain | None:
    try:
        facts: Plain | None = section.read(night)
    except NightloomError:
        raise
    except Exception as error:
        # A section may be somebody's program; what it raised may quote a row.
        night.shelf.unreadable.append(f"section {section.name}: its reader raised {type(error).__name__}")
        return None
    return facts


def report_path(recipe: str, night: date) -> Path:
    """Return where the page of a night lies; the facts lie beside it, as JSON."""
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
