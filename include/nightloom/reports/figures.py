"""Figures of the report: scores with their intervals, the loss, where the rows went, volume over nights."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from nightloom.artifacts.data import Outcome, RuleCount
from nightloom.artifacts.results import ROLES, Comparison, Metric, Role, Scale
from nightloom.artifacts.showing import show_role, style_alone, style_difference
from nightloom.artifacts.training import HeldOutLoss, LossPoint
from nightloom.reports.drawing import COLOURS, Margins, draw, label
from nightloom.reports.facts import NightFact, ScoreFact

OUTCOMES: tuple[Outcome, ...] = ("kept", "repaired", "merged", "superseded", "quarantined")
_MARKERS: dict[Role, str] = {"candidate": "o", "champion": "D", "baseline": "s", "linear_classifier": "^"}
_MOST_SLICES = 8
_LINE = 17
_ON_CARD = {"facecolor": COLOURS["card"], "edgecolor": "none", "pad": 1}


def draw_scores(scores: Sequence[ScoreFact], metric: str) -> str:
    """Draw a metric of all models on one eval set, overall and by slice: a line each, with dot and interval."""
    groups = list(_group_metrics(scores, metric))
    lines = sum(len(rows) + 1.4 for _, rows in groups)
    with draw(f"scores on {scores[0].eval_set}", 28 + lines * _LINE, Margins(14, 58, 4, 24)) as figure:
        axes, y = figure.axes, 0.0
        place = axes.get_yaxis_transform()
        for name, rows in groups:
            axes.text(0, y, name, transform=place, weight="bold", va="center", bbox=_ON_CARD)
            for role, found in rows:
                y += 1
                _draw_metric(axes, y, role, found)
            y += 1.4
        axes.set(ylim=(y - 0.6, -0.8), yticks=[])
        _show_scale(axes, [found for _, rows in groups for _, found in rows])
        axes.grid(axis="x")
        axes.spines[["left", "bottom"]].set_visible(False)
    return figure.svg


def draw_differences(comparisons: Sequence[Comparison]) -> str:
    """Draw candidate minus other, rates in points, with its interval beside no difference and beside the margin."""
    scale = comparisons[0].scale
    times = style_difference(scale).times
    with draw(
        f"differences on {comparisons[0].eval_set}", 40 + 2.4 * _LINE * len(comparisons), Margins(14, 14, 4, 36)
    ) as figure:
        axes = figure.axes
        for y, each in enumerate(comparisons):
            _draw_difference(axes, y, each, times)
        numbers = [each for one in comparisons for each in (one.low, one.high, one.difference) if each is not None]
        reach = times * max(1.5 * comparisons[0].margin, *(abs(number) for number in numbers))
        axes.set(xlim=(-1.1 * reach, 1.1 * reach), ylim=(len(comparisons) - 0.5, -0.75), yticks=[])
        axes.set_xlabel(f"points more {scale.unit} than the other" if scale.kind == "binary" else _name_gain(scale))
        axes.xaxis.set_major_formatter(lambda value, _position: f"{value:+g}" if value else "0")
        axes.grid(axis="x")
        axes.spines[["left", "bottom"]].set_visible(False)
    return figure.svg


def draw_loss(curve: Sequence[LossPoint], held_out: Sequence[HeldOutLoss] = (), kept_step: int | None = None) -> str:
    """Draw the loss against the step, and that of the selection split with its intervals; a line marks what was kept.

    Args:
        curve: Of the examples that are learned from.
        held_out: Of those that are not; the last one is that of the kept weights.
        kept_step: The step whose weights were kept; none, or the last: no line.
    """
    last = max([*(point.step for point in curve), *(point.step for point in held_out)])
    with draw("loss", 190, Margins(40, 84, 12, 38)) as figure:
        axes = figure.axes
        ends = {}
        if curve:
            axes.plot([p.step for p in curve], [p.loss for p in curve], color=COLOURS["candidate"])
            axes.plot(curve[-1].step, curve[-1].loss, "o", color=COLOURS["candidate"], clip_on=False)
            ends["learned"] = (curve[-1].loss, COLOURS["candidate"])
        for point in held_out:
            axes.plot([point.step] * 2, [point.low, point.high], color=COLOURS["champion"], clip_on=False)
            axes.plot(point.step, point.loss, "D", color=COLOURS["champion"], ms=5, mec=COLOURS["card"], clip_on=False)
        if held_out:
            ends["held out"] = (held_out[-1].loss, COLOURS["champion"])
        if kept_step is not None and kept_step < last:
            axes.axvline(kept_step, color=COLOURS["ink"], linewidth=1, linestyle=(0, (3, 2)))
        axes.set(xlabel="step", ylabel="loss", ylim=(0, None), xlim=(0, last))
        _name_ends(axes, ends)
        axes.grid(axis="y")
        axes.locator_params(nbins=5)
    return figure.svg


def draw_rows(counts: Sequence[RuleCount]) -> str:
    """Draw where the rows went: all by outcome in one bar, and below it, on a scale of their own, the reasons."""
    rules = sorted((c for c in counts if c.rule), key=lambda c: (OUTCOMES.index(c.outcome), -c.rows, c.rule or ""))
    with draw("rows", 34 + 20 * len(rules), Margins(2, 2, 2, 2)) as figure:
        axes = figure.axes
        axes.set(xlim=(0, 100), ylim=(len(rules) + 0.5, -1), xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        _draw_whole(axes, counts)
        most = max((c.rows for c in rules), default=1)
        for y, count in enumerate(rules, start=1):
            axes.text(0, y, label(str(count.rule).replace("_", " "), 21), va="center", color=COLOURS["muted"])
            width = 46 * count.rows / most
            axes.barh(y, width, left=38, height=0.62, color=COLOURS[count.outcome])
            axes.text(39 + width, y, f"{count.rows:,}", va="center")
    return figure.svg


def draw_volume(nights: Sequence[NightFact]) -> str:
    """Draw the rows that each night brought as bars, and those it predicted as dots; a cross: neither."""
    days = [_day_of(night) for night in nights]
    with draw("volume", 180, Margins(46, 10, 12, 28)) as figure:
        axes = figure.axes
        for day, night in zip(days, nights, strict=True):
            if night.new_rows is not None:
                axes.bar(day, night.new_rows, width=0.7, color=COLOURS["kept"])
            if night.predicted is not None:
                axes.plot(day, night.predicted, "o", color=COLOURS["ink"], ms=5, mec=COLOURS["card"])
            if night.new_rows is None and night.predicted is None:
                axes.plot(day, 0, "x", color=COLOURS["muted"], clip_on=False)
        axes.set(ylim=(0, None))
        axes.yaxis.set_major_formatter(lambda value, _position: f"{value:,.0f}")
        axes.locator_params(axis="y", nbins=4, integer=True)
        _show_days(axes, days)
    return figure.svg


def draw_history(nights: Sequence[NightFact]) -> str:
    """Draw the score of each night's candidate with its interval; those that were promoted are filled."""
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
        _show_days(axes, [_day_of(night) for night in nights])
    return figure.svg


def _name_ends(axes: Any, ends: Mapping[str, tuple[float, str]]) -> None:
    """Write beside the right edge what each line ends at, apart from each other where the ends are close."""
    top = axes.get_ylim()[1]
    place, floor = axes.get_yaxis_transform(), 0.0
    for name, (value, colour) in sorted(ends.items(), key=lambda item: item[1][0]):
        height = max(floor, value)
        axes.text(1.04, height, f"{value:.3g}", transform=place, va="bottom", weight="bold", color=colour)
        axes.text(1.04, height, name, transform=place, va="top", color=COLOURS["muted"])
        floor = height + 0.24 * top


def _day_of(night: NightFact) -> int:
    return date.fromisoformat(night.night).toordinal()


def _show_days(axes: Any, days: Sequence[int]) -> None:
    """Name the last night and a few before it; a week is the least that is shown."""
    shown = days[:: -max(1, len(days) // 4)]
    axes.set_xticks(shown, [f"{date.fromordinal(day):%d %b}" for day in shown])
    axes.set_xlim(min(days[0], days[-1] - 6) - 0.7, days[-1] + 0.7)
    axes.tick_params(axis="x", pad=6)
    axes.grid(axis="y")


def _group_metrics(scores: Sequence[ScoreFact], metric: str) -> Iterator[tuple[str, list[tuple[Role, Metric]]]]:
    """Give the lines of each group: all items first, then the largest slices by name."""
    found = [
        (score.role, m)
        for role in ROLES
        for score in scores
        for m in score.metrics
        if score.role == role and m.name == metric
    ]
    sizes = {m.slice: m.n for _, m in found}
    slices = sorted((s for s in sizes if s is not None), key=lambda s: (-sizes[s], s))[:_MOST_SLICES]
    for name in (None, *sorted(slices)):
        rows = [(role, m) for role, m in found if m.slice == name]
        if rows:
            yield f"{'all items' if name is None else label(name)}, n = {rows[0][1].n:,}", rows


def _draw_metric(axes: Any, y: float, role: Role, metric: Metric) -> None:
    place = axes.get_yaxis_transform()
    if metric.value is None:
        axes.text(1.02, y, "no item", transform=place, va="center", color=COLOURS["muted"])
        return
    colour, style = COLOURS[role], style_alone(metric.scale)
    if metric.low is not None and metric.high is not None:
        axes.plot([metric.low, metric.high], [y, y], color=colour, solid_capstyle="round", clip_on=False)
    axes.plot(metric.value, y, _MARKERS[role], color=colour, ms=7, mec=COLOURS["card"], clip_on=False)
    axes.text(1.04, y, f"{style.show(metric.value)}{style.unit}", transform=place, va="center")


def _show_scale(axes: Any, metrics: Sequence[Metric]) -> None:
    """Show all of a rate's scale from 0 to 100 %, and of others what there is."""
    if all(metric.scale.kind == "binary" for metric in metrics):
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0%", "25", "50", "75", "100%"])
        return
    numbers = [each for one in metrics for each in (one.low, one.value, one.high) if each is not None] or [0.0]
    space = 0.05 * (max(numbers) - min(numbers)) or 1.0
    axes.set_xlim(min(numbers) - space, max(numbers) + space)
    axes.locator_params(axis="x", nbins=5)


def _draw_difference(axes: Any, y: float, each: Comparison, times: float) -> None:
    colour, place = COLOURS[each.against], axes.get_yaxis_transform()
    text = f"against {show_role(each.against)}: {each.finding}"
    axes.text(0, y - 0.45, text, transform=place, va="center", bbox=_ON_CARD)
    axes.plot([0, 0], [y - 0.22, y + 0.22], color=COLOURS["ink"], linewidth=1)
    loss = times * (-each.margin if each.scale.direction == "higher" else each.margin)
    axes.plot([loss, loss], [y - 0.22, y + 0.22], color=COLOURS["ink"], linewidth=1, linestyle=(0, (3, 2)))
    if each.low is not None and each.high is not None:
        axes.plot([each.low * times, each.high * times], [y, y], color=colour, solid_capstyle="round")
    axes.plot(each.difference * times, y, _MARKERS[each.against], color=colour, ms=7, mec=COLOURS["card"])


def _name_gain(scale: Scale) -> str:
    unit = f"{scale.unit} " if scale.unit else ""
    return f"{unit}more than the other; {scale.direction} is better"


def _draw_whole(axes: Any, counts: Sequence[RuleCount]) -> None:
    total = sum(count.rows for count in counts)
    left = 0.0
    for outcome in OUTCOMES:
        width = 100 * sum(count.rows for count in counts if count.outcome == outcome) / (total or 1)
        axes.barh(-0.2, width, left=left, height=0.9, color=COLOURS[outcome])
        left += width
