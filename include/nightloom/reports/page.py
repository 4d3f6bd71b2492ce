"""Page: the sections in their order, as one self-contained HTML file."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from nightloom.artifacts.showing import PER_CENT, show_interval, show_value
from nightloom.core.counts import show_count
from nightloom.core.digests import short
from nightloom.core.durations import show_duration
from nightloom.core.errors import InputError
from nightloom.core.extensions import REPORT_SECTIONS, list_extensions, load_extension
from nightloom.reports.document import ReportData
from nightloom.reports.figures import draw_mark
from nightloom.reports.sections import (
    comparison,
    contamination,
    expectations,
    nights,
    planted_rows,
    predictions,
    provenance,
    rows,
    stages,
    training,
    trials,
)
from nightloom.reports.sections.base import KeyNumber, Section

logger = logging.getLogger(__name__)

_ABOVE = (comparison, trials, rows, training, predictions, nights, contamination, planted_rows, expectations)
_BELOW = (stages, provenance)
# Sections that share a row: those of each column, from top to bottom.
_COLUMNS = (("training", "predictions"), ("rows",))
# HTML forbids most control characters, and names from data may have them.
_CONTROL = {code: "\ufffd" for code in range(32) if chr(code) not in "\t\n"}


@dataclass(frozen=True, slots=True)
class _Shown:
    """A rendered section."""

    name: str
    title: str
    body: Markup
    numbers: tuple[KeyNumber, ...]


def list_sections() -> list[Section[Any]]:
    """Return the sections in their order. Those of other packages come before the stages and the provenance."""
    added = [section for name in list_extensions(REPORT_SECTIONS) if (section := _load_section(name))]
    return [*(module.SECTION for module in _ABOVE), *added, *(module.SECTION for module in _BELOW)]


def render_page(report: ReportData) -> str:
    """Return the page as HTML."""
    shown = [each for section in list_sections() if (each := _show(section, report))]
    numbers = [number for each in shown for number in each.numbers]
    return _environment().get_template("page.html.j2").render(report=report, numbers=numbers, rows=_lay_out(shown))


def _load_section(name: str) -> Section[Any] | None:
    try:
        section: Section[Any] = load_extension(REPORT_SECTIONS, name)
    except InputError as error:
        # A broken package must not prevent the report.
        logger.warning("section %s is missing from the report: %s", name, error)
        return None
    return section


def _show(section: Section[Any], report: ReportData) -> _Shown | None:
    facts = report.of(section)
    if facts is None:
        return None
    try:
        return _render(section, facts, report)
    except Exception as error:
        # The section may come from another package, and its error may quote a row.
        reason = f"This section cannot be shown: {type(error).__name__}."
        logger.warning("report section %s cannot be shown: %s", section.name, type(error).__name__)
        return _Shown(section.name, section.title, Markup('<p class="bad">{}</p>').format(reason), ())


def _render(section: Section[Any], facts: Any, report: ReportData) -> _Shown:
    body = Markup(_compile(section.template).render(facts=facts, report=report, **section.view(facts)))  # noqa: S704  # it escapes
    return _Shown(section.name, section.title, body, tuple(section.key_numbers(facts)))


@cache
def _compile(template: str) -> Template:
    return _environment().from_string(template)


def _lay_out(shown: Iterable[_Shown]) -> Iterator[list[list[_Shown]]]:
    """Return rows of columns of sections. Most sections have a row of their own."""
    in_columns = {name for column in _COLUMNS for name in column}
    for are_in_columns, group in groupby(shown, lambda each: each.name in in_columns):
        sections = list(group)
        if are_in_columns:
            columns = [[each for each in sections if each.name in column] for column in _COLUMNS]
            yield [column for column in columns if column]
        else:
            yield from ([[each]] for each in sections)


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
        "count": lambda number: "" if number is None else f"{number:,}",
        "duration": show_duration,
        "loss": lambda each: show_interval(each.loss, each.low, each.high) if each else "",
        "moment": _show_moment,
        "money": "{:,.2f}".format,
        "per_cent": lambda each: show_interval(each.value, each.low, each.high, PER_CENT) if each else "",
        "points": lambda share: f"{share * 100:.1f}",
        "prose": _mark_commands,
        "short": short,
        "significant": "{:.3g}".format,
        "value": lambda metric: show_value(metric) if metric else "",
        "words": lambda name: name.replace("_", " "),
    }
    environment.globals |= {"mark": draw_mark, "share": _show_share, "counted": _show_counted}
    return environment


def _without_control_characters(value: Any) -> Any:
    return value if not isinstance(value, str) or isinstance(value, Markup) else value.translate(_CONTROL)


def _mark_commands(text: str) -> Markup:
    """Return text as HTML, with code between backticks marked as code."""
    parts = text.translate(_CONTROL).split("`")
    return Markup().join(
        Markup("<code>{}</code>").format(part) if index % 2 else part for index, part in enumerate(parts)
    )


def _show_moment(moment: datetime, timezone: str) -> str:
    return f"{moment.astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M}"


def _show_counted(count: int, one: str, many: str | None = None) -> str:
    return show_count(count, one, many, ",")


def _show_share(part: int, whole: int) -> str:
    return f"{part / whole * 100:.1f}%" if whole else "none"
