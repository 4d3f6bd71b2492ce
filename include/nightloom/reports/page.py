"""Page: the facts as one self-contained HTML file."""

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from nightloom.artifacts.results import PREDICTION_STATUSES
from nightloom.artifacts.showing import PER_CENT, show_interval, show_value
from nightloom.core.digests import short
from nightloom.core.durations import show_duration
from nightloom.reports.facts import PlantedFact, ReportFacts
from nightloom.reports.figures import (
    OUTCOMES,
    draw_differences,
    draw_history,
    draw_loss,
    draw_rows,
    draw_scores,
    draw_volume,
)
from nightloom.reports.trial_views import SHOWN, show_loss, view_trials
from nightloom.reports.views import list_key_numbers, list_scores

_SHAPES: dict[str, str] = {
    "candidate": "M5 .5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9z",
    "champion": "M5 0 10 5 5 10 0 5z",
    "baseline": "M1 1h8v8h-8z",
    "linear_classifier": "M5 .5 10 9.5H0z",
    **dict.fromkeys(OUTCOMES, "M0 0h10v10h-10z"),
}
_FIGURES: dict[str, Callable[..., str]] = {
    "differences": draw_differences,
    "history": draw_history,
    "loss": draw_loss,
    "rows": draw_rows,
    "scores": draw_scores,
    "volume": draw_volume,
}
_TRUSTED = 0.99
_CONTROL = {code: "\ufffd" for code in range(32) if chr(code) not in "\t\n"}


def render_page(facts: ReportFacts) -> str:
    """Give the page, with its figures."""
    scores = list_scores(facts.comparison) if facts.comparison else []
    page = _environment().get_template("page.html.j2")
    trials = view_trials(facts.trials) if facts.trials else None
    return page.render(facts=facts, numbers=list_key_numbers(facts), scores=scores, trials=trials, shown=SHOWN)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("nightloom.reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_without_control_characters,
    )
    environment.filters |= {
        "count": "{:,}".format,
        "duration": show_duration,
        "loss": show_loss,
        "moment": _show_moment,
        "money": "{:,.2f}".format,
        "points": lambda share: f"{share * 100:.1f}",
        "prose": _mark_commands,
        "value": lambda metric: show_value(metric) if metric else "",
        "is_trusted": _is_trusted,
        "recall": _show_recall,
        "precision": _show_precision,
        "short": short,
        "significant": "{:.3g}".format,
        "words": lambda name: name.replace("_", " "),
    }
    environment.globals |= {
        "figures": {name: _as_markup(draw) for name, draw in _FIGURES.items()},
        "marks": {name: _draw_mark(name, path) for name, path in _SHAPES.items()},
        "outcomes": OUTCOMES,
        "share": _show_share,
        "statuses": PREDICTION_STATUSES,
    }
    return environment


def _as_markup(draw: Callable[..., str]) -> Callable[..., Markup]:
    return lambda *facts: Markup(draw(*facts))  # noqa: S704  # drawn here; matplotlib escapes the text in it


def _draw_mark(name: str, path: str) -> Markup:
    return Markup('<svg viewBox="0 0 10 10" aria-hidden="true"><path d="{}" fill="var(--{})"/></svg>').format(
        path, name
    )


def _without_control_characters(value: Any) -> Any:
    return value if not isinstance(value, str) or isinstance(value, Markup) else value.translate(_CONTROL)


def _mark_commands(text: str) -> Markup:
    """Give text as HTML in which what stands between backticks is code."""
    parts = text.translate(_CONTROL).split("`")
    return Markup("").join(Markup("<code>{}</code>").format(part) if n % 2 else part for n, part in enumerate(parts))


def _show_moment(moment: datetime, timezone: str) -> str:
    return f"{moment.astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M}"


def _show_recall(fact: PlantedFact) -> str:
    result = fact.result
    if not result.planted:
        return "none planted"
    return show_interval(result.as_expected / result.planted, fact.low, fact.high, PER_CENT)


def _show_precision(fact: PlantedFact) -> str:
    result = fact.result
    if fact.precision_low is None or fact.precision_high is None or result.sound_taken is None:
        return ""
    rate = result.as_expected / (result.as_expected + result.sound_taken)
    return show_interval(rate, fact.precision_low, fact.precision_high, PER_CENT)


def _is_trusted(fact: PlantedFact) -> bool:
    """Tell whether recall and precision are at least 99 %."""
    result = fact.result
    taken = result.as_expected + (result.sound_taken or 0)
    return result.as_expected >= _TRUSTED * max(result.planted, taken)


def _show_share(part: int, whole: int) -> str:
    return f"{part / whole * 100:.1f}%" if whole else "none"
