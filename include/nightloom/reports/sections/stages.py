"""Stages: what each stage of the night came to."""

from pathlib import Path

from pydantic import Field

from nightloom.core.manifests import Plain
from nightloom.core.stages import STAGES, Stage
from nightloom.registry.nights import Status
from nightloom.reports.night import NightManifests
from nightloom.reports.sections.base import Section


class StageFacts(Plain):
    """What one stage came to."""

    stage: Stage
    status: Status | None = Field(description="None if it never began.")
    sentence: str


class Facts(Plain):
    """The stages, without the report's own, which is being written."""

    stages: tuple[StageFacts, ...]


def read(night: NightManifests) -> Facts:
    """Return what the stages came to."""
    outcomes = {stage: night.outcomes[stage] for stage in STAGES if stage != "report"}
    return Facts(
        stages=tuple(
            StageFacts(stage=stage, status=each.status if each else None, sentence=each.sentence if each else "")
            for stage, each in outcomes.items()
        )
    )


SECTION = Section(Path(__file__), "The night's stages", Facts, read)
