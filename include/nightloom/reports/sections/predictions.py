"""Predictions: results of the night's batch."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from nightloom.artifacts.predictions import PREDICTION_STATUSES, PredictionStatus, ScannedAnswers
from nightloom.core.manifests import Plain
from nightloom.reports.night import NightManifests
from nightloom.reports.sections.base import KeyNumber, Section


class Facts(Plain):
    """The results of the batch."""

    rows: int
    counts: dict[PredictionStatus, int] = Field(description="Rows by status. They add up to `rows`.")
    answers: ScannedAnswers = Field(description="What scanners found in the answers before they were stored.")
    model: str
    is_champion: bool = Field(description="Whether the model is the champion in use after this night.")


def read(night: NightManifests) -> Facts | None:
    """Return the results of the batch, or None if there are none."""
    if night.predictions is None or night.plan is None:
        return None
    done, model = night.predictions.content, night.plan.content.model.adapter or night.plan.content.model.base
    is_champion = night.champion is not None and model == night.champion.new
    return Facts(rows=done.rows, counts=done.counts, answers=done.answers, model=model, is_champion=is_champion)


def list_key_numbers(facts: Facts) -> Iterator[KeyNumber]:
    """Return how many rows have an answer."""
    yield KeyNumber("rows answered", f"{facts.counts['succeeded']:,}", f"of {facts.rows:,} in the batch")


SECTION = Section(
    Path(__file__),
    "Predictions",
    Facts,
    read,
    view=lambda _facts: {"statuses": PREDICTION_STATUSES},
    key_numbers=list_key_numbers,
)
