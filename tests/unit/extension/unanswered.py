"""A section of the report: how many rows of the night's batch got no answer."""

from pathlib import Path

from nightloom.core.manifests import Plain
from nightloom.reports.night import NightManifests
from nightloom.reports.sections.base import Section


class Facts(Plain):
    rows: int
    unanswered: int


def read(night: NightManifests) -> Facts | None:
    if night.predictions is None:
        return None
    content = night.predictions.content
    return Facts(rows=content.rows, unanswered=content.rows - content.counts["succeeded"])


SECTION = Section(Path(__file__), "Unanswered rows", Facts, read)
