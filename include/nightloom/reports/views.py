"""Views: what the page shows and the facts do not say outright: key numbers, tables of scores, comparisons."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nightloom.artifacts.results import ROLES, Comparison, Metric, Role
from nightloom.artifacts.showing import show_role
from nightloom.reports.conclusion import find_deciding
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


def show_rate(metric: Metric | None) -> str:
    """Give a rate in per cent with its interval."""
    if metric is None:
        return ""
    if metric.value is None:
        return "no item"
    return f"{metric.value * 100:.1f}% [{metric.low * 100:.1f}, {metric.high * 100:.1f}]"


def show_comparison(comparison: Comparison, metric: Metric | None) -> str:
    """Give a comparison on one line: the candidate's score, then the difference and what it shows."""
    if metric is None or metric.value is None:
        ours = comparison.metric
    else:
        ours = f"{metric.name} {metric.value:.3f} [{metric.low:.3f}, {metric.high:.3f}] n={metric.n}"
    difference = f"{comparison.difference:+.3f} [{comparison.low:+.3f}, {comparison.high:+.3f}]"
    return (
        f"{ours}  vs {show_role(comparison.against)} {difference} margin {comparison.margin:.3f}: {comparison.finding}"
    )


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
        smallest=uses[name].minimum_detectable_effect if name in uses else None,
        scores=scores,
        roles=roles,
        rows=tuple(_list_rows(comparison.primary, scores, roles)),
        # Beside a champion the baseline is far off: drawn on one scale, it would hide what is close.
        differences=tuple(c for c in comparisons if c.against != "baseline" or "champion" not in roles),
        lines=tuple(show_comparison(c, ours) for c in comparisons),
    )


def _list_rows(primary: str, scores: Sequence[ScoreFact], roles: Sequence[Role]) -> Iterator[ScoreRow]:
    sizes = {(m.name, m.slice): m.n for score in scores for m in score.metrics}
    names = sorted(dict.fromkeys(name for name, _ in sizes), key=lambda name: name != primary)
    for name in names:
        for part in [part for known, part in sizes if known == name]:
            metrics = tuple(find_metric(scores, role, name, part) for role in roles)
            yield ScoreRow(name, part, sizes[name, part], metrics)


def _number_comparison(comparison: ComparisonFacts) -> Iterator[KeyNumber]:
    deciding = find_deciding(comparison.comparisons)
    if deciding is None:
        return
    scores = [score for score in comparison.scores if score.eval_set == deciding.eval_set]
    ours = find_metric(scores, "candidate", comparison.primary)
    if ours and ours.value is not None:
        interval = f"[{ours.low * 100:.1f}, {ours.high * 100:.1f}] of {ours.n:,} held-out items"
        yield KeyNumber(f"{comparison.primary} right", f"{ours.value * 100:.1f}%", interval)
    low, high = deciding.low * 100, deciding.high * 100
    note = f"[{low:+.1f}, {high:+.1f}] points: {deciding.finding}"
    yield KeyNumber(f"against {deciding.against}", f"{deciding.difference * 100:+.1f}", note)


def _number_data(data: DataFacts) -> Iterator[KeyNumber]:
    kept = sum(count.rows for count in data.counts if count.outcome in ("kept", "repaired"))
    refused = sum(count.rows for count in data.counts if count.outcome == "quarantined")
    yield KeyNumber("rows kept", f"{kept:,}", f"of {data.rows_in:,} in the window; {refused:,} quarantined")
    if data.new_rows is not None:
        yield KeyNumber("new rows", f"{data.new_rows:,}", "in the night's cut")


def _number_predictions(predictions: PredictionFacts) -> Iterator[KeyNumber]:
    yield KeyNumber("rows answered", f"{predictions.counts['succeeded']:,}", f"of {predictions.rows:,} in the batch")
