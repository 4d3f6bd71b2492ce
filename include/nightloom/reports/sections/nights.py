"""Nights: rows and scores of the last nights."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from markupsafe import Markup
from pydantic import Field

from nightloom.artifacts.data import Preparation, Records
from nightloom.artifacts.predictions import Predictions
from nightloom.artifacts.results import Metric, Verdict
from nightloom.core.manifests import Plain
from nightloom.reports.figures import COLOURS, Margins, draw
from nightloom.reports.lenient_store import LenientStore
from nightloom.reports.night import NightManifests, Outcomes, manifest_of
from nightloom.reports.sections.base import Section


class NightFacts(Plain):
    """One of the last nights."""

    night: str
    new_rows: int | None
    predicted: int | None
    score: Metric | None = Field(description="The candidate's score on the deciding metric and eval set.")
    promoted: bool


class Facts(Plain):
    """The last nights."""

    nights: tuple[NightFacts, ...] = Field(description="Oldest first.")


def read(night: NightManifests) -> Facts | None:
    """Return the last nights up to this one."""
    # Another reader, so that manifests of earlier nights that retention deleted are not listed as unreadable.
    lenient_store = LenientStore(night.store)
    nights = tuple(_read_one(night, lenient_store, each, outcomes) for each, outcomes in night.history.items())
    return Facts(nights=nights) if nights else None


def view(facts: Facts) -> Mapping[str, Any]:
    """Return the figures. The history needs at least two scores."""
    scored = [night for night in facts.nights if night.score is not None]
    return {
        "volume": draw_volume(facts.nights),
        "history": draw_history(facts.nights) if len(scored) > 1 else None,
    }


def draw_volume(nights: Sequence[NightFacts]) -> Markup:
    """Draw new rows of each night as bars and predicted rows as dots, or a cross if there are neither."""
    with draw("volume", 180, Margins(46, 10, 12, 28)) as figure:
        axes = figure.axes
        for night in nights:
            day = _day_of(night)
            if night.new_rows is not None:
                axes.bar(day, night.new_rows, width=0.7, color=COLOURS["kept"])
            if night.predicted is not None:
                axes.plot(day, night.predicted, "o", color=COLOURS["ink"], ms=5, mec=COLOURS["card"])
            if night.new_rows is None and night.predicted is None:
                axes.plot(day, 0, "x", color=COLOURS["muted"], clip_on=False)
        axes.set(ylim=(0, None))
        axes.yaxis.set_major_formatter(lambda value, _position: f"{value:,.0f}")
        axes.locator_params(axis="y", nbins=4, integer=True)
        _show_days(axes, nights)
    return figure.svg


def draw_history(nights: Sequence[NightFacts]) -> Markup:
    """Draw the score of each night's candidate with its interval. Promoted candidates are filled."""
    with draw("history", 180, Margins(46, 10, 12, 28)) as figure:
        axes = figure.axes
        for night in nights:
            day, score = _day_of(night), night.score
            if score is None or score.value is None:
                continue
            if score.low is not None and score.high is not None:
                axes.plot([day, day], [score.low, score.high], color=COLOURS["candidate"])
            face = COLOURS["candidate" if night.promoted else "card"]
            axes.plot(day, score.value, "o", ms=6, color=face, mec=COLOURS["candidate"], mew=1.5)
        if all(night.score is None or night.score.scale.kind == "binary" for night in nights):
            axes.yaxis.set_major_formatter(lambda value, _position: f"{value:.0%}")
        axes.locator_params(axis="y", nbins=4)
        _show_days(axes, nights)
    return figure.svg


def _read_one(night: NightManifests, lenient_store: LenientStore, day: date, outcomes: Outcomes) -> NightFacts:
    preparation = lenient_store.load(Preparation, manifest_of(outcomes["prepare"]))
    records = lenient_store.load(Records, preparation.content.records if preparation else None)
    verdict = lenient_store.load(Verdict, manifest_of(outcomes["finetune"]))
    predictions = lenient_store.load(Predictions, manifest_of(outcomes["predict"]))
    return NightFacts(
        night=str(day),
        new_rows=records.content.new_rows if records else None,
        predicted=predictions.content.rows if predictions else None,
        score=verdict.content.deciding_metric if verdict else None,
        promoted=verdict is not None and night.has_promoted(verdict),
    )


def _day_of(night: NightFacts) -> int:
    return date.fromisoformat(night.night).toordinal()


def _show_days(axes: Any, nights: Sequence[NightFacts]) -> None:
    """Label the last night and a few before it. The axis covers at least a week."""
    days = [_day_of(night) for night in nights]
    shown = days[:: -max(1, len(days) // 4)]
    axes.set_xticks(shown, [f"{date.fromordinal(day):%d %b}" for day in shown])
    axes.set_xlim(min(days[0], days[-1] - 6) - 0.7, days[-1] + 0.7)
    axes.tick_params(axis="x", pad=6)
    axes.grid(axis="y")


SECTION = Section(Path(__file__), "The last nights", Facts, read, view)
