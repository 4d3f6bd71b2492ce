"""Planted rows: how many rows with planted faults each rule found, and its false positives."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import Field

from nightloom.artifacts.data import PlantedResult
from nightloom.core.manifests import Plain
from nightloom.reports.night import NightManifests
from nightloom.reports.sections.base import Estimate, Section, estimate
from nightloom.statistics.intervals import wilson_interval

_TRUSTED = 0.99


class RuleFacts(Plain):
    """Result of one rule on the planted rows that it should find."""

    result: PlantedResult = Field(description="Sum over all kinds of fault with this outcome and rule.")
    recall: Estimate | None = Field(description="None if no row was planted.")
    precision: Estimate | None = Field(description="None if the rule found no row.")

    @property
    def is_trusted(self) -> bool:
        """Whether recall and precision are at least 99 %."""
        taken = self.result.as_expected + (self.result.false_positives or 0)
        return self.result.as_expected >= _TRUSTED * max(self.result.planted, taken)


class Facts(Plain):
    """The results of all rules on the planted rows."""

    rules: tuple[RuleFacts, ...]
    other_rows: int | None = Field(description="Rows that were not planted, or None if that is not known.")
    changed_rows: int | None = Field(description="Other rows that were merged, repaired or quarantined.")


def read(night: NightManifests) -> Facts | None:
    """Return the results on the planted rows, or None if no row was planted."""
    if night.preparation is None or not night.preparation.content.planted:
        return None
    content = night.preparation.content
    return Facts(
        rules=tuple(_measure(result) for result in _add_kinds(content.planted)),
        other_rows=content.other_rows,
        changed_rows=content.other_rows_changed,
    )


def _measure(result: PlantedResult) -> RuleFacts:
    taken = 0 if result.false_positives is None else result.as_expected + result.false_positives
    return RuleFacts(
        result=result,
        recall=_estimate_rate(result.as_expected, result.planted),
        precision=_estimate_rate(result.as_expected, taken),
    )


def _estimate_rate(part: int, whole: int) -> Estimate | None:
    return estimate(part / whole, wilson_interval(part, whole), whole) if whole else None


def _add_kinds(results: Sequence[PlantedResult]) -> Iterator[PlantedResult]:
    """Add up the kinds of fault with the same rule and outcome. Their false positives are the same rows."""
    together: dict[tuple[str, str], list[PlantedResult]] = {}
    for result in results:
        together.setdefault((result.rule, result.outcome), []).append(result)
    for (rule, outcome), each in together.items():
        yield PlantedResult(
            kind=", ".join(result.kind for result in each),
            outcome=outcome,
            rule=rule,
            planted=sum(result.planted for result in each),
            as_expected=sum(result.as_expected for result in each),
            false_positives=each[0].false_positives,
        )


SECTION = Section(Path(__file__), "Planted rows", Facts, read)
