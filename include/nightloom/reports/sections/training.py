"""Training: how the candidate was trained."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup
from pydantic import Field

from nightloom.artifacts.training import HeldOutLoss, LossPoint, TrialResult
from nightloom.core.manifests import Plain
from nightloom.core.prices import cost_of
from nightloom.reports.figures import COLOURS, Margins, draw
from nightloom.reports.night import NightManifests
from nightloom.reports.sections.base import Rounded, Section


class Facts(Plain):
    """The trial that made the candidate."""

    trainer: str
    method: str
    result: TrialResult
    cost: Rounded | None = Field(
        description="At the prices when the report was written, or None if the device has no price."
    )


def read(night: NightManifests) -> Facts | None:
    """Return how the candidate was trained, or None if nothing was trained."""
    if night.trial is None:
        return None
    plan, result = night.trial.key.plan, night.trial.result
    cost = cost_of(result.seconds, result.device, night.prices)
    return Facts(trainer=plan.trainer, method=plan.method, result=result, cost=cost)


def view(facts: Facts) -> Mapping[str, Any]:
    """Return the figure of the loss, or None if it has fewer than two points."""
    trained = facts.result
    if len(trained.curve) < 2 and len(trained.held_out) < 2:
        return {"loss": None}
    return {"loss": draw_loss(trained.curve, trained.held_out, trained.kept_step)}


def draw_loss(curve: Sequence[LossPoint], held_out: Sequence[HeldOutLoss] = (), kept_step: int | None = None) -> Markup:
    """Draw the training loss and the held-out loss by step, and a line at the kept step.

    Args:
        curve: Loss on the training examples.
        held_out: Loss on the selection split. The last point is that of the kept weights.
        kept_step: The step whose weights were kept. There is no line if it is None or the last step.
    """
    last = max([*(point.step for point in curve), *(point.step for point in held_out)])
    with draw("loss", 190, Margins(40, 84, 12, 38)) as figure:
        axes = figure.axes
        ends = {}
        if curve:
            axes.plot([p.step for p in curve], [p.loss for p in curve], color=COLOURS["candidate"])
            axes.plot(curve[-1].step, curve[-1].loss, "o", color=COLOURS["candidate"], clip_on=False)
            ends["train"] = (curve[-1].loss, COLOURS["candidate"])
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


def _name_ends(axes: Any, ends: Mapping[str, tuple[float, str]]) -> None:
    """Write the last value of each line at the right edge, without overlaps."""
    top = axes.get_ylim()[1]
    transform, floor = axes.get_yaxis_transform(), 0.0
    for name, (value, colour) in sorted(ends.items(), key=lambda item: item[1][0]):
        height = max(floor, value)
        axes.text(1.04, height, f"{value:.3g}", transform=transform, va="bottom", weight="bold", color=colour)
        axes.text(1.04, height, name, transform=transform, va="top", color=COLOURS["muted"])
        floor = height + 0.24 * top


SECTION = Section(Path(__file__), "Training", Facts, read, view)
