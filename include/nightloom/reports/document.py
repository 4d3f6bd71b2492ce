"""Document: the data of one night's report, typed, without the text of any row and without the time of writing.

The data depend on the registry and the store alone, so writing a report again gives the same report.
"""

from typing import Any, Literal

from pydantic import Field

from nightloom.artifacts.results import Report
from nightloom.core.manifests import Plain
from nightloom.core.store import ObjectStore
from nightloom.reports.headline import NightOutcome
from nightloom.reports.sections.base import F, Section


class ReportData(Plain):
    """The header of every report, and the facts of each section that has something to show."""

    schema_version: Literal[2] = 2
    recipe: str
    description: str
    owner: str
    timezone: str
    night: str
    outcome: NightOutcome
    headline: str = Field(description="The night in one sentence.")
    details: str | None = Field(description="Message of the stage that decided the outcome, or None.")
    next_steps: tuple[str, ...] = Field(description="What a person should do. Empty if nothing is needed.")
    unreadable: tuple[str, ...] = Field(description="Manifests that could not be read for the report.")
    sections: dict[str, dict[str, Any]] = Field(description="Facts by section name. Each section has its own type.")

    def of(self, section: Section[F]) -> F | None:
        """Return the facts of a section, or None if it has nothing to show."""
        facts = self.sections.get(section.name)
        return None if facts is None else section.facts.model_validate(facts)


def read_report_data(store: ObjectStore, report: Report) -> ReportData:
    """Return the data of a stored report."""
    return ReportData.model_validate_json(store.get_blob(report.content.facts))
