"""Stages: status and message of each stage of the night."""

from pathlib import Path

from pydantic import Field

from nightloom.core.manifests import Plain
from nightloom.core.stages import STAGES, Stage
from nightloom.registry.nights import Status
from nightloom.reports.night import NightManifests
from nightloom.reports.sections.base import Section


class StageFacts(Plain):
    """Status and message of one stage."""

    stage: Stage
    status: Status | None = Field(description="None if the stage never started.")
    message: str


class Facts(Plain):
    """The stages before the report."""

    stages: tuple[StageFacts, ...]


def read(night: NightManifests) -> Facts:
    """Return the status and message of each stage."""
    outcomes = {stage: night.outcomes[stage] for stage in STAGES if stage != "report"}
    return Facts(
        stages=tuple(
            StageFacts(stage=stage, status=each.status if each else None, message=each.message if each else "")
            for stage, each in outcomes.items()
        )
    )


SECTION = Section(Path(__file__), "The night's stages", Facts, read)
