"""Rows: the outcomes of the rows that were read."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup
from pydantic import Field

from nightloom.artifacts.data import EvalSetRows, Outcome, RuleCount
from nightloom.core.manifests import Plain
from nightloom.reports.figures import COLOURS, Margins, draw, label
from nightloom.reports.night import NightManifests
from nightloom.reports.sections.base import KeyNumber, Section

OUTCOMES: tuple[Outcome, ...] = ("kept", "repaired", "merged", "superseded", "quarantined")


class Facts(Plain):
    """The rows of the window by outcome."""

    new_rows: int | None = Field(description="Rows written within the night's cut, or None if that is not known.")
    counts: tuple[RuleCount, ...] = Field(description="Rows by outcome and rule. They add up to all rows.")
    splits: dict[str, int] = Field(description="Rows of the snapshot by split. Empty without a snapshot.")
    eval_rows: tuple[EvalSetRows, ...] = Field(default=(), description="Use of the rows of each eval set.")
    unread: dict[str, int] = Field(
        default_factory=dict, description="Number of conversations by the keys in them that were not read."
    )

    def count(self, *outcomes: Outcome) -> int:
        """Return the rows with one of these outcomes."""
        return sum(count.rows for count in self.counts if count.outcome in outcomes)


def read(night: NightManifests) -> Facts | None:
    """Return the outcomes of the rows, or None if no row was curated."""
    if night.rows is None:
        return None
    return Facts(
        new_rows=night.records.content.new_rows if night.records else None,
        counts=night.rows.content.counts,
        splits=night.snapshot.content.splits if night.snapshot else {},
        eval_rows=night.rows.content.eval_rows,
        unread=night.records.content.unread if night.records else {},
    )


def view(facts: Facts) -> Mapping[str, Any]:
    """Return the outcomes in their order, the number of rows and the figure."""
    return {"outcomes": OUTCOMES, "all": facts.count(*OUTCOMES), "drawing": draw_rows(facts)}


def list_key_numbers(facts: Facts) -> Iterator[KeyNumber]:
    """Return the number of kept rows and of new rows."""
    note = f"of {facts.count(*OUTCOMES):,} in the window; {facts.count('quarantined'):,} quarantined"
    yield KeyNumber("rows kept", f"{facts.count('kept', 'repaired'):,}", note)
    if facts.new_rows is not None:
        yield KeyNumber("new rows", f"{facts.new_rows:,}", "in the night's cut")


def draw_rows(facts: Facts) -> Markup:
    """Draw all rows by outcome as one bar, and below it the reasons on their own scale."""
    rules = _sort_rules(facts.counts)
    with draw("rows", 34 + 20 * len(rules), Margins(2, 2, 2, 2)) as figure:
        axes = figure.axes
        axes.set(xlim=(0, 100), ylim=(len(rules) + 0.5, -1), xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        left = 0.0
        for outcome in OUTCOMES:
            width = 100 * facts.count(outcome) / (facts.count(*OUTCOMES) or 1)
            axes.barh(-0.2, width, left=left, height=0.9, color=COLOURS[outcome])
            left += width
        most = max((c.rows for c in rules), default=1)
        for y, count in enumerate(rules, start=1):
            axes.text(0, y, label(str(count.rule).replace("_", " "), 21), va="center", color=COLOURS["muted"])
            width = 46 * count.rows / most
            axes.barh(y, width, left=38, height=0.62, color=COLOURS[count.outcome])
            axes.text(39 + width, y, f"{count.rows:,}", va="center")
    return figure.svg


def _sort_rules(counts: Sequence[RuleCount]) -> list[RuleCount]:
    return sorted((c for c in counts if c.rule), key=lambda c: (OUTCOMES.index(c.outcome), -c.rows, c.rule or ""))


SECTION = Section(Path(__file__), "Rows in and out", Facts, read, view, key_numbers=list_key_numbers)
