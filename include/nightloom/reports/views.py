"""Views: what the page shows and the facts do not say outright: key numbers, tables of scores, comparisons."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nightloom.artifacts.results import ROLES, Comparison, Metric, Role
from nightloom.artifacts.showing import (
    name_measure,
    show_bounds,
    show_difference,
    show_metric,
    show_role,
    style_alone,
    style_difference,
    style_of,
)
from nightloom.reports.facts import ComparisonFacts, DataFacts, PredictionFacts, ReportFacts, ScoreFact


@dataclass(frozen=True, slots=True)
class KeyNumber:
    """One of the few numbers at the top."""

    name: str
    value: str
    note: str


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One metric, of all items or of a slice, for each model."""

    name: str
    slice: str | None
    n: int
    metrics: tuple[Metric | None, ...]


@dataclass(frozen=True, slots=True)
class ScoreView:
    """One eval set."""

    eval_set: str
    measured: str
    smallest: float | None
    scores: tuple[ScoreFact, ...]
    roles: tuple[Role, ...]
    rows: tuple[ScoreRow, ...]
    differences: tuple[Comparison, ...]
    lines: tuple[str, ...]


def list_key_numbers(facts: ReportFacts) -> list[KeyNumber]:
    """Give the numbers that are read first."""
    parts = (
        _number_comparison(facts.comparison) if facts.comparison else (),
        _number_data(facts.data) if facts.data else (),
        _number_predictions(facts.predictions) if facts.predictions else (),
    )
    return [number for part in parts for number in part]


def list_scores(comparison: ComparisonFacts) -> list[ScoreView]:
    """Give the eval sets, the one that decides first."""
    return [
        _view_eval_set(comparison, name, tuple(s for s in comparison.scores if s.eval_set == name))
        for name in dict.fromkeys(score.eval_set for score in comparison.scores)
    ]


def show_line(comparison: Comparison, metric: Metric | None) -> str:
    """Return a comparison on one line: the candidate's metric, the difference, the margin and what it shows."""
    ours, style = show_metric(metric) if metric else comparison.metric, style_of(comparison.scale)
    difference = show_difference(comparison, style.signed)
    against = f"vs {show_role(comparison.against)} {difference} margin {style.show(comparison.margin)}"
    return f"{ours}  {against}: {comparison.finding}"


def find_metric(scores: Sequence[ScoreFact], role: Role, name: str, part: str | None = None) -> Metric | None:
    """Give a model's metric, or nothing where it was not scored."""
    found = (m for score in scores if score.role == role for m in score.metrics if (m.name, m.slice) == (name, part))
    return next(found, None)


def _view_eval_set(comparison: ComparisonFacts, name: str, scores: tuple[ScoreFact, ...]) -> ScoreView:
    uses = {use.name: use for use in comparison.eval_sets}
    roles = tuple(role for role in ROLES if any(score.role == role for score in scores))
    ours = find_metric(scores, "candidate", comparison.primary)
    comparisons = tuple(c for c in comparison.comparisons if c.eval_set == name)
    return ScoreView(
        eval_set=name,
        measured=name_measure(ours) if ours else comparison.primary,
        smallest=uses[name].minimum_detectable_effect if name in uses else None,
        scores=scores,
        roles=roles,
        rows=tuple(_list_rows(comparison.primary, scores, roles)),
        # Beside a champion the baseline is far off: drawn on one scale, it would hide what is close.
        differences=tuple(c for c in comparisons if c.against != "baseline" or "champion" not in roles),
        lines=tuple(show_line(c, ours) for c in comparisons),
    )


def _list_rows(primary: str, scores: Sequence[ScoreFact], roles: Sequence[Role]) -> Iterator[ScoreRow]:
    sizes = {(m.name, m.slice): m.n for score in scores for m in score.metrics}
    names = sorted(dict.fromkeys(name for name, _ in sizes), key=lambda name: name != primary)
    for name in names:
        for part in [part for known, part in sizes if known == name]:
            metrics = tuple(find_metric(scores, role, name, part) for role in roles)
            yield ScoreRow(name, part, sizes[name, part], metrics)


def _number_comparison(comparison: ComparisonFacts) -> Iterator[KeyNumber]:
    deciding = comparison.deciding_comparison
    if deciding is None:
        return
    scores = [score for score in comparison.scores if score.eval_set == deciding.eval_set]
    ours = find_metric(scores, "candidate", comparison.primary)
    if ours and ours.value is not None:
        style = style_alone(ours.scale)
        note = f"{show_bounds(ours.low, ours.high, style)} of {ours.n:,} held-out items"
        yield KeyNumber(name_measure(ours), f"{style.show(ours.value)}{style.unit}", note)
    style = style_difference(deciding.scale)
    note = f"{show_bounds(deciding.low, deciding.high, style)}{style.unit}: {deciding.finding}"
    yield KeyNumber(f"against {show_role(deciding.against)}", style.show(deciding.difference), note)


def _number_data(data: DataFacts) -> Iterator[KeyNumber]:
    kept = sum(count.rows for count in data.counts if count.outcome in ("kept", "repaired"))
    refused = sum(count.rows for count in data.counts if count.outcome == "quarantined")
    yield KeyNumber("rows kept", f"{kept:,}", f"of {data.rows_in:,} in the window; {refused:,} quarantined")
    if data.new_rows is not None:
        yield KeyNumber("new rows", f"{data.new_rows:,}", "in the night's cut")


def _number_predictions(predictions: PredictionFacts) -> Iterator[KeyNumber]:
    yield KeyNumber("rows answered", f"{predictions.counts['succeeded']:,}", f"of {predictions.rows:,} in the batch")
