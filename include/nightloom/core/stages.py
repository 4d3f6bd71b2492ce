"""Stages: the stages of a night, their steps, and the inputs and outputs of each step, declared once.

The chain runs these steps, a plan iterates over them, and a Dag's arguments are checked against them.
"""

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

Stage = Literal["prepare", "finetune", "predict", "report"]
STAGES: tuple[Stage, ...] = ("prepare", "finetune", "predict", "report")


@dataclass(frozen=True, slots=True)
class Step:
    """One step: the function of that name in `nightloom.nightly.<stage>`. Its first parameter is the night.

    Attributes:
        name: Name of the function and id of its task.
        takes: Its other parameters: results of earlier steps, or values of the trigger form.
        makes: Name of its result for later steps, or None.
        each: For a step that runs once per item of a list: the list, and the parameter for the item.
        at_rungs: Whether it runs at each rung of the training, with the number as `rung`: `too`, or `only` there.
        uses_gpu: Whether it takes a slot of the GPU pool.
    """

    name: str
    takes: tuple[str, ...] = ()
    makes: str | None = None
    each: tuple[str, str] | None = None
    at_rungs: Literal["too", "only"] | None = None
    uses_gpu: bool = False

    @property
    def parameters(self) -> tuple[str, ...]:
        """All parameters except the night."""
        each = (self.each[1],) if self.each else ()
        return (*self.takes, *each, *(("rung",) if self.at_rungs else ()))


STEPS: Mapping[Stage, tuple[Step, ...]] = {
    "prepare": (
        Step("open_night", takes=("opened_by",)),
        Step("extract_records", makes="records_id"),
        Step("curate_records", takes=("records_id",), makes="curated_id"),
        Step("build_snapshot", takes=("curated_id",), makes="preparation_id"),
    ),
    "finetune": (
        Step("compile_blueprint", takes=("stored_id",), makes="blueprint_id"),
        Step("list_trials", takes=("blueprint_id",), makes="trials"),
        Step("train_trial", takes=("blueprint_id",), each=("trials", "trial_no"), at_rungs="too", uses_gpu=True),
        Step("rank_trials", takes=("blueprint_id",), makes="trials", at_rungs="only"),
        Step("pick_candidate", takes=("blueprint_id",), makes="candidate_id"),
        Step("prove_parity", takes=("blueprint_id", "candidate_id"), makes="parity_id", uses_gpu=True),
        Step(
            "compare_candidate", takes=("blueprint_id", "candidate_id", "parity_id"), makes="verdict_id", uses_gpu=True
        ),
        Step("promote_candidate", takes=("verdict_id", "stored_id")),
    ),
    "predict": (
        Step("plan_shards", makes="plan_id"),
        Step("list_workers", makes="workers"),
        Step("predict_shards", takes=("plan_id",), each=("workers", "worker"), uses_gpu=True),
        Step("commit_predictions", takes=("plan_id",), makes="predictions_id"),
    ),
    "report": (Step("write_report", makes="report_id"),),
}
"""The steps of each stage, in order."""


def unroll(steps: Sequence[Step], count_rungs: Callable[[], int]) -> Iterator[tuple[Step, int | None]]:
    """Return steps as they run, each with its rung or None: training steps repeat for each rung and for the end.

    Args:
        steps: Steps of a stage, in order.
        count_rungs: Returns the number of rungs; called when the training begins.
    """
    for is_repeated, group in groupby(steps, key=lambda step: step.at_rungs is not None):
        block = list(group)
        if is_repeated:
            yield from ((step, rung) for rung in range(count_rungs()) for step in block)
        yield from ((step, None) for step in block if step.at_rungs != "only")


def find_step(name: str) -> Step:
    """Return a step by name; names are unique over all stages.

    Raises:
        ValueError: There is no such step.
    """
    steps = {step.name: step for stage in STAGES for step in STEPS[stage]}
    if name not in steps:
        close = difflib.get_close_matches(name, steps, n=1)
        msg = f"there is no step {name!r}; " + (
            f"did you mean {close[0]!r}?" if close else f"known: {', '.join(steps)}"
        )
        raise ValueError(msg)
    return steps[name]


def check_arguments(name: str, given: Collection[str]) -> None:
    """Check that a step has the given parameters.

    Raises:
        ValueError: There is no such step, or no such parameter.
    """
    parameters = find_step(name).parameters
    unknown = sorted(set(given) - set(parameters))
    if unknown:
        msg = f"step {name} has no parameter {', '.join(unknown)}; it has {', '.join(parameters) or 'none'}"
        raise ValueError(msg)
