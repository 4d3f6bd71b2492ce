"""Document: all that the report of one night tells, typed, with no text of a row and no time of writing.

It follows from the registry and the store alone, so that a report can be written again and says the same.
"""

from typing import Any, Literal

from pydantic import Field

from nightloom.artifacts.results import Report
from nightloom.core.manifests import Plain
from nightloom.core.store import ObjectStore
from nightloom.reports.headline import Conclusion
from nightloom.reports.sections.base import F, Section


class ReportFacts(Plain):
    """What every report begins with, and the facts of each section that has something to show."""

    schema_version: Literal[2] = 2
    recipe: str
    description: str
    owner: str
    timezone: str
    night: str
    conclusion: Conclusion
    headline: str = Field(description="The night in one sentence.")
    detail: str | None = Field(description="What the stage that decided it said.")
    next_steps: tuple[str, ...] = Field(description="What a person should do; empty: nothing.")
    unreadable: tuple[str, ...] = Field(description="What could not be read while the report was written.")
    sections: dict[str, dict[str, Any]] = Field(description="Facts by the section's name, each of a type of its own.")

    def of(self, section: Section[F]) -> F | None:
        """Return the facts of a section, or None if it has nothing to show."""
        facts = self.sections.get(section.name)
        return None if facts is None else section.facts.model_validate(facts)


def read_facts(store: ObjectStore, report: Report) -> ReportFacts:
    """Return the facts of a report that was written."""
    return ReportFacts.model_validate_json(store.get_blob(report.content.facts))
