"""Facts: all that a report tells, typed, with no text of a row and no time of writing.

They are gathered from the registry and the store alone, so that a report can be written again and says the same.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from nightloom.artifacts.blueprints import EvalSetUse
from nightloom.artifacts.data import Expectation, PlantedResult, RuleCount
from nightloom.artifacts.results import Comparison, Finding, GateResult, Metric, ParityCheck, PredictionStatus, Role
from nightloom.artifacts.training import HeldOutLoss, LossPoint
from nightloom.core.manifests import Plain
from nightloom.core.stages import Stage
from nightloom.registry.nights import Status

Conclusion = Literal["promoted", "not_promoted", "nothing_new", "refused", "failed", "unfinished", "not_run"]


class StageFact(Plain):
    """What a stage of the night came to."""

    stage: Stage
    status: Status | None = Field(description="None: it never began.")
    sentence: str


class PlantedFact(Plain):
    """How the planted faults that one rule is to find fared."""

    result: PlantedResult = Field(description="Of all kinds of fault with this outcome and rule together.")
    low: float = Field(description="Wilson interval of the recall.")
    high: float
    precision_low: float | None = Field(description="Wilson interval of the precision; none: no row was taken.")
    precision_high: float | None


class EvalSetFact(Plain):
    """What the examples repeat of one eval set."""

    name: str
    items: int
    clean: int = Field(description="Items of which the examples repeat less than the recipe allows.")


class DataFacts(Plain):
    """The night's rows."""

    rows_in: int
    new_rows: int | None = Field(description="Of those, written within the night's cut; none: not known.")
    counts: tuple[RuleCount, ...] = Field(description="They add up to rows_in.")
    splits: dict[str, int] = Field(description="Rows of the snapshot by split; empty: there is none.")
    expectations: tuple[Expectation, ...]
    eval_sets: tuple[EvalSetFact, ...] = Field(description="As the recipe orders them; empty: not measured.")
    planted: tuple[PlantedFact, ...]
    sound_rows: int | None
    sound_rows_touched: int | None


class TrialFact(Plain):
    """One trial among several."""

    trial: int
    draw: int = Field(description="Trials of one draw differ in their seed alone.")
    seed: int
    settings: dict[str, Any] = Field(description="Those in which trials differ, by their place.")
    losses: tuple[HeldOutLoss | None, ...] = Field(description="At each rung and at the end; none: not ranked there.")
    pruned_at: float | None = Field(description="Share of the training after which it ended early; none: it did not.")
    diverged: str | None = Field(default=None, description="Why its training diverged; none: it did not.")
    seconds: float | None = Field(description="Of a device, all attempts together; none: not known.")


class BestDrawFact(Plain):
    """How far the best draw is from the next, beside how far apart seeds are; intervals are of 95 %."""

    share: float = Field(description="Of the training, after which they were compared.")
    draws: int
    draw: int
    loss: float = Field(description="Mean of its seeds, on the selection split.")
    low: float | None = Field(description="Over seeds; none: one seed tells no spread.")
    high: float | None
    seeds: int
    next_draw: int | None
    difference: float | None = Field(description="Its mean less that of the next, over the seeds that both have.")
    difference_low: float | None
    difference_high: float | None
    pairs: int
    is_distinct: bool = Field(description="It is better than the next by more than seeds differ.")


class TrialsFacts(Plain):
    """The trials of the night's blueprint, where there are several: the best first, the pruned, the diverged."""

    rungs: tuple[float, ...] = Field(description="Shares of the training after which they were ranked.")
    trials: tuple[TrialFact, ...]
    winner: int | None = Field(description="None: they have not come to the end.")
    best: BestDrawFact | None = Field(description="None: they have not been ranked.")
    seconds: float = Field(description="Of devices, all trials together, as far as it is known.")
    cost: float | None = Field(description="By the prices when the report was written; none: a device has no price.")


class TrainingFacts(Plain):
    """How the candidate was made."""

    trainer: str
    method: str
    examples: int
    left_out: int = Field(description="Examples longer than the context.")
    steps: int
    tokens: int
    label_tokens: int
    final_loss: float
    seconds: float
    tokens_per_second: float
    curve: tuple[LossPoint, ...]
    kept_step: int
    held_out: tuple[HeldOutLoss, ...]
    device: str
    cost: float | None = Field(description="By the prices when the report was written; none: the device has no price.")
    adjustments: tuple[str, ...]


class ScoreFact(Plain):
    """Scores of one model on one eval set."""

    role: Role
    eval_set: str
    metrics: tuple[Metric, ...]


class ComparisonFacts(Plain):
    """The verdict."""

    primary: str
    finding: Finding
    promote: bool = Field(description="The verdict is for promotion.")
    moved: bool = Field(description="The champion ref was moved by it.")
    reason: str
    confidence: float = Field(description="Of the intervals of differences; those of single models are 0.95.")
    eval_sets: tuple[EvalSetUse, ...] = Field(description="The first one decides.")
    scores: tuple[ScoreFact, ...]
    comparisons: tuple[Comparison, ...]
    deciding: int | None = Field(description="Which of the comparisons decided, from 0.")
    gates: tuple[GateResult, ...]
    parity: tuple[ParityCheck, ...] = Field(description="Empty: the candidate has no weights to prove it of.")

    @property
    def deciding_comparison(self) -> Comparison | None:
        """The comparison that decided."""
        return None if self.deciding is None else self.comparisons[self.deciding]


class PredictionFacts(Plain):
    """The night's batch."""

    rows: int
    counts: dict[PredictionStatus, int]
    model: str
    is_champion: bool = Field(description="It was made with the champion that stands after this night.")


class ChampionFacts(Plain):
    """The champion after this night."""

    adapter: str
    since: str = Field(description="Night of its promotion.")
    previous: str | None


class NightFact(Plain):
    """One night among the last ones."""

    night: str
    new_rows: int | None
    predicted: int | None
    score: Metric | None = Field(description="Of the night's candidate, on the metric and eval set that decided.")
    promoted: bool


class Provenance(Plain):
    """Where something is found."""

    name: str
    id: str


class ReportFacts(Plain):
    """All that the report of one night tells."""

    schema_version: Literal[1] = 1
    recipe: str
    description: str
    owner: str
    timezone: str
    night: str
    conclusion: Conclusion
    answer: str = Field(description="The night in one sentence.")
    detail: str | None = Field(description="What the stage that decided it said.")
    advice: tuple[str, ...] = Field(description="What a person should do; empty: nothing.")
    stages: tuple[StageFact, ...]
    cut_from: datetime | None
    cut_to: datetime | None
    champion: ChampionFacts | None
    data: DataFacts | None
    trials: TrialsFacts | None = Field(description="None: one trial, or none.")
    training: TrainingFacts | None
    comparison: ComparisonFacts | None
    predictions: PredictionFacts | None
    nights: tuple[NightFact, ...] = Field(description="The last nights, oldest first.")
    provenance: tuple[Provenance, ...]
    unreadable: tuple[str, ...] = Field(description="What could not be read while the report was written.")
