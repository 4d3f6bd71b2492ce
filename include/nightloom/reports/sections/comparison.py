"""Comparison: the candidate against the other models, and the verdict."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup
from pydantic import Field

from nightloom.artifacts.blueprints import BlueprintSpec, EvalSetUse
from nightloom.artifacts.results import ROLES, Comparison, Metric, ModelScores, ParityCheck, Role, Scale, VerdictContent
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
from nightloom.core.manifests import Plain
from nightloom.rendering.item_tokens import describe_limits
from nightloom.reports.figures import COLOURS, Margins, draw, label
from nightloom.reports.night import NightManifests
from nightloom.reports.sections.base import KeyNumber, Section

_MARKERS: dict[Role, str] = {"candidate": "o", "champion": "D", "baseline": "s", "linear_classifier": "^"}
_MOST_SLICES = 8
_LINE = 17
_ON_CARD = {"facecolor": COLOURS["card"], "edgecolor": "none", "pad": 1}


class Facts(Plain):
    """The verdict and what it is based on."""

    primary: str
    confidence: float = Field(description="Confidence of the intervals of differences. Single models have 0.95.")
    eval_sets: tuple[EvalSetUse, ...] = Field(description="The first one decides.")
    verdict: VerdictContent
    moved: bool = Field(description="Whether the verdict moved the champion ref.")
    parity: tuple[ParityCheck, ...] = Field(description="Empty if the candidate has no weights to check.")
    limits: tuple[str, ...] = Field(
        default=(), description="Sentences on answers, right or given, that are longer than a model may answer."
    )


def read(night: NightManifests) -> Facts | None:
    """Return the verdict and whether it moved the champion, or None if there is no verdict."""
    if night.verdict is None or night.blueprint is None:
        return None
    blueprint = night.blueprint.content
    return Facts(
        primary=blueprint.primary,
        confidence=blueprint.confidence,
        eval_sets=blueprint.eval_sets,
        verdict=night.verdict.content,
        moved=night.has_promoted(night.verdict),
        parity=night.parity.result.checks if night.parity else (),
        limits=tuple(_describe_limits(night, blueprint, night.verdict.content)),
    )


def _describe_limits(night: NightManifests, blueprint: BlueprintSpec, verdict: VerdictContent) -> Iterator[str]:
    predict, limit = night.recipe.predict, blueprint.max_new_tokens
    for use in blueprint.eval_sets:
        for scores in verdict.scores:
            # A baseline that never ends is no surprise.
            if scores.cut and scores.eval_set == use.name and scores.role in ("candidate", "champion"):
                answers = f"{scores.cut:,} of {use.items:,} answers of the {scores.role} on {use.name}"
                yield f"{answers} were ended by evaluate.max_new_tokens ({limit}), and count as wrong"
        counted = night.item_tokens.get(use.evalset)
        if counted is None:
            continue
        yield from describe_limits(use.name, counted.result, limit, "evaluate.max_new_tokens")
        if predict:
            yield from describe_limits(use.name, counted.result, predict.max_new_tokens, "predict.max_new_tokens")


def view(facts: Facts) -> Mapping[str, Any]:
    """Return the eval sets, the deciding one first."""
    names = dict.fromkeys(score.eval_set for score in facts.verdict.scores)
    return {"eval_sets": [_view_eval_set(facts, name) for name in names]}


def list_key_numbers(facts: Facts) -> Iterator[KeyNumber]:
    """Return the candidate's deciding metric and its difference."""
    deciding, ours = facts.verdict.deciding_comparison, facts.verdict.deciding_metric
    if deciding is None:
        return
    if ours and ours.value is not None:
        style = style_alone(ours.scale)
        note = f"{show_bounds(ours.low, ours.high, style)} of {ours.n:,} held-out items"
        yield KeyNumber(name_measure(ours), f"{style.show(ours.value)}{style.unit}", note)
    style = style_difference(deciding.scale)
    note = f"{show_bounds(deciding.low, deciding.high, style)}{style.unit}: {deciding.finding}"
    yield KeyNumber(f"against {show_role(deciding.against)}", style.show(deciding.difference), note)


def show_line(comparison: Comparison, metric: Metric | None) -> str:
    """Return a comparison on one line: the candidate's metric, the difference, the margin and the finding."""
    ours, style = show_metric(metric) if metric else comparison.metric, style_of(comparison.scale)
    difference = show_difference(comparison, style.signed)
    against = f"vs {show_role(comparison.against)} {difference} margin {style.show(comparison.margin)}"
    return f"{ours}  {against}: {comparison.finding}"


def draw_scores(scores: Sequence[ModelScores], metric: str) -> Markup:
    """Draw a metric of all models on one eval set, overall and by slice, with intervals."""
    groups = list(_group_metrics(scores, metric))
    lines = sum(len(rows) + 1.4 for _, rows in groups)
    with draw(f"scores on {scores[0].eval_set}", 28 + lines * _LINE, Margins(14, 58, 4, 24)) as figure:
        axes, y = figure.axes, 0.0
        transform = axes.get_yaxis_transform()
        for name, rows in groups:
            axes.text(0, y, name, transform=transform, weight="bold", va="center", bbox=_ON_CARD)
            for role, found in rows:
                y += 1
                _draw_metric(axes, y, role, found)
            y += 1.4
        axes.set(ylim=(y - 0.6, -0.8), yticks=[])
        _show_scale(axes, [found for _, rows in groups for _, found in rows])
        axes.grid(axis="x")
        axes.spines[["left", "bottom"]].set_visible(False)
    return figure.svg


def draw_differences(comparisons: Sequence[Comparison]) -> Markup:
    """Draw candidate minus other with its interval, zero and the margin. Rates are in points."""
    scale, height = comparisons[0].scale, 40 + 2.4 * _LINE * len(comparisons)
    times = style_difference(scale).times
    with draw(f"differences on {comparisons[0].eval_set}", height, Margins(14, 14, 4, 36)) as figure:
        axes = figure.axes
        for y, each in enumerate(comparisons):
            _draw_difference(axes, y, each, times)
        numbers = [each for one in comparisons for each in (one.low, one.high, one.difference) if each is not None]
        reach = times * max(1.5 * comparisons[0].margin, *(abs(number) for number in numbers))
        axes.set(xlim=(-1.1 * reach, 1.1 * reach), ylim=(len(comparisons) - 0.5, -0.75), yticks=[])
        axes.set_xlabel(f"difference in points of {scale.unit}" if scale.kind == "binary" else _name_gain(scale))
        axes.xaxis.set_major_formatter(lambda value, _position: f"{value:+g}" if value else "0")
        axes.grid(axis="x")
        axes.spines[["left", "bottom"]].set_visible(False)
    return figure.svg


def _view_eval_set(facts: Facts, name: str) -> Mapping[str, Any]:
    scores = {score.role: score for score in facts.verdict.scores if score.eval_set == name}
    metrics = {role: {(m.name, m.slice): m for m in score.metrics} for role, score in scores.items()}
    roles = [role for role in ROLES if role in scores]
    ours = metrics.get("candidate", {}).get((facts.primary, None))
    comparisons = [each for each in facts.verdict.comparisons if each.eval_set == name]
    # The baseline is far from a champion. On one scale with it, small differences could not be seen.
    differences = [each for each in comparisons if each.against != "baseline" or "champion" not in roles]
    effects = {use.name: use.minimum_detectable_effect for use in facts.eval_sets}
    return {
        "name": name,
        "measured": name_measure(ours) if ours else facts.primary,
        "smallest": effects.get(name),
        "roles": roles,
        "rows": [[metrics[role].get(key) for role in roles] for key in _order_metrics(facts.primary, metrics)],
        "scores": draw_scores(list(scores.values()), facts.primary),
        "differences": draw_differences(differences) if differences else None,
        "lines": [show_line(each, ours) for each in comparisons],
    }


def _order_metrics(
    primary: str, metrics: Mapping[Role, Mapping[tuple[str, str | None], Metric]]
) -> list[tuple[str, str | None]]:
    """Return names and slices in the order of the table: primary metric first, slices of a metric together."""
    keys = dict.fromkeys(key for of_role in metrics.values() for key in of_role)
    names = list(dict.fromkeys(name for name, _ in keys))
    return sorted(keys, key=lambda key: (key[0] != primary, names.index(key[0])))


def _group_metrics(scores: Sequence[ModelScores], metric: str) -> Iterator[tuple[str, list[tuple[Role, Metric]]]]:
    """Return the metrics of each group: all items first, then the largest slices by name."""
    found = [
        (score.role, m)
        for score in sorted(scores, key=lambda score: ROLES.index(score.role))
        for m in score.metrics
        if m.name == metric
    ]
    sizes = {m.slice: m.n for _, m in found}
    slices = sorted((s for s in sizes if s is not None), key=lambda s: (-sizes[s], s))[:_MOST_SLICES]
    for name in (None, *sorted(slices)):
        rows = [(role, m) for role, m in found if m.slice == name]
        if rows:
            yield f"{'all items' if name is None else label(name)}, n = {rows[0][1].n:,}", rows


def _draw_metric(axes: Any, y: float, role: Role, metric: Metric) -> None:
    transform = axes.get_yaxis_transform()
    if metric.value is None:
        axes.text(1.02, y, "no item", transform=transform, va="center", color=COLOURS["muted"])
        return
    colour, style = COLOURS[role], style_alone(metric.scale)
    if metric.low is not None and metric.high is not None:
        axes.plot([metric.low, metric.high], [y, y], color=colour, solid_capstyle="round", clip_on=False)
    axes.plot(metric.value, y, _MARKERS[role], color=colour, ms=7, mec=COLOURS["card"], clip_on=False)
    axes.text(1.04, y, f"{style.show(metric.value)}{style.unit}", transform=transform, va="center")


def _show_scale(axes: Any, metrics: Sequence[Metric]) -> None:
    """Set the x axis: 0 to 100 % for rates, the range of the values for other scores."""
    if all(metric.scale.kind == "binary" for metric in metrics):
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0%", "25", "50", "75", "100%"])
        return
    numbers = [each for one in metrics for each in (one.low, one.value, one.high) if each is not None] or [0.0]
    space = 0.05 * (max(numbers) - min(numbers)) or 1.0
    axes.set_xlim(min(numbers) - space, max(numbers) + space)
    axes.locator_params(axis="x", nbins=5)


def _draw_difference(axes: Any, y: float, each: Comparison, times: float) -> None:
    colour, transform = COLOURS[each.against], axes.get_yaxis_transform()
    text = f"against {show_role(each.against)}: {each.finding}"
    axes.text(0, y - 0.45, text, transform=transform, va="center", bbox=_ON_CARD)
    axes.plot([0, 0], [y - 0.22, y + 0.22], color=COLOURS["ink"], linewidth=1)
    loss = times * (-each.margin if each.scale.direction == "higher" else each.margin)
    axes.plot([loss, loss], [y - 0.22, y + 0.22], color=COLOURS["ink"], linewidth=1, linestyle=(0, (3, 2)))
    if each.low is not None and each.high is not None:
        axes.plot([each.low * times, each.high * times], [y, y], color=colour, solid_capstyle="round")
    axes.plot(each.difference * times, y, _MARKERS[each.against], color=colour, ms=7, mec=COLOURS["card"])


def _name_gain(scale: Scale) -> str:
    unit = f" in {scale.unit}" if scale.unit else ""
    return f"difference{unit}; {scale.direction} is better"


SECTION = Section(Path(__file__), "Candidate compared", Facts, read, view, key_numbers=list_key_numbers)
