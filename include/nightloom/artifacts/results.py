"""Result manifests: scores, verdicts, predictions, reports."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from nightloom.artifacts.data import Empty, RecordsPart
from nightloom.artifacts.ids import (
    AdapterId,
    BaseId,
    BlueprintId,
    EvalSetId,
    ParityId,
    PredictionPlanId,
    PredictionsId,
    ReportId,
    ScoresId,
    SnapshotId,
    VerdictId,
)
from nightloom.artifacts.models import Checks, ModelRef, TaskSpec
from nightloom.core.manifests import Artifact, CachedResult, Plain
from nightloom.core.names import BLOB, BlobId, Names

ResultLines = Annotated[str, Names(BLOB, "lines")]

Finding = Literal["BETTER", "NOT_WORSE", "WORSE", "INCONCLUSIVE"]
ScoreKind = Literal["binary", "real"]
Direction = Literal["higher", "lower"]
Against = Literal["champion", "baseline", "linear_classifier"]
Role = Literal["candidate", Against]
ROLES: tuple[Role, ...] = ("candidate", "champion", "baseline", "linear_classifier")
PredictionStatus = Literal["succeeded", "invalid_output", "blocked", "failed", "expired"]
PREDICTION_STATUSES: tuple[PredictionStatus, ...] = (
    "succeeded",
    "invalid_output",
    "blocked",
    "failed",
    "expired",
)


class ScoresKey(Plain):
    """All that determines what a model answers on an eval set."""

    model: ModelRef | None = Field(description="None for the linear classifier.")
    linear_classifier: SnapshotId | None = Field(
        default=None, description="Snapshot that the linear classifier learned from."
    )
    evalset: EvalSetId
    task: TaskSpec
    max_new_tokens: int
    scorers: tuple[str, ...] = Field(description="Name and version of each, as in `exact_match/1`.")
    code: str
    packages: dict[str, str]


class Scale(Plain):
    """What the scores of a scorer mean."""

    kind: ScoreKind = Field(description="`binary`: 1 or 0, which has exact statistics. `real`: any number.")
    unit: str = Field(description="Of a real value, as `ms`, or empty. What an item with 1 is, as `right`.")
    direction: Direction = Field(description="Whether the higher or the lower value is better.")
    least: float | None = Field(description="The least value that there can be; None if there is no bound.")
    most: float | None = Field(description="The largest value that there can be; None if there is no bound.")


class Metric(Plain):
    """The mean of one scorer's values over items, with its 95 % interval."""

    name: str = Field(description="A field of the answer, or the scorer's name where it scores the whole answer.")
    scorer: str = Field(description="Name and version.")
    scale: Scale
    slice: str | None = None
    value: float | None = Field(description="None if no item was scored: 0/0 is undefined, not 0.")
    low: float | None = Field(description="None if there is too little to say.")
    high: float | None = Field(description="None if there is too little to say.")
    n: int = Field(description="Items that were scored.")
    unscored: int = Field(default=0, description="Items that could not be scored; they count as nothing.")


class ScoresResult(Plain):
    """What came out."""

    frame: Annotated[str, Names(BLOB, "scores")] = Field(description="Blob of a SCORES frame.")
    outputs: Annotated[str, Names(BLOB, "outputs")] = Field(description="Blob of an OUTPUTS frame.")
    metrics: tuple[Metric, ...]
    seconds: float


class Scores(CachedResult[ScoresId]):
    """Scores of one model on one eval set, found again by what determines them."""

    kind: ClassVar[str] = "scores"
    key: ScoresKey
    result: ScoresResult


class ParityCheck(Plain):
    """One thing that has to be the same wherever a model is used, and whether it is."""

    name: Literal["ids", "adapter", "merge", "answers"]
    passed: bool
    value: float = Field(description="What was measured, in the unit that the message names.")
    tolerance: float
    n: int = Field(description="Examples that it was measured on.")
    message: str = Field(description="For people; holds no row's text.")


class Parity(CachedResult[ParityId]):
    """Whether a model is the same in training, evaluation and batch: what was compared is what is served."""

    class Key(Plain):
        """All that it follows from."""

        model: ModelRef
        task: TaskSpec
        max_new_tokens: int
        snapshot: SnapshotId = Field(description="Whose examples are shown to the model.")
        code: str
        packages: dict[str, str]

    class Result(Plain):
        """What came out."""

        checks: tuple[ParityCheck, ...]
        seconds: float

    kind: ClassVar[str] = "parity"
    key: Key
    result: Result

    @property
    def mismatch(self) -> str | None:
        """What is not the same, in one sentence; nothing when all is."""
        return next((check.message for check in self.result.checks if not check.passed), None)

    @property
    def is_without_effect(self) -> bool:
        """The adapter changed nothing at all that its base model says."""
        return any(check.name == "adapter" and check.n and not check.value for check in self.result.checks)


class Comparison(Plain):
    """A paired comparison of the candidate on the same items, clusters respected."""

    against: Against
    eval_set: str
    metric: str = Field(description="Its name, as in `Metric`.")
    scorer: str = Field(description="Name and version.")
    scale: Scale
    n: int = Field(description="Items that were scored for both models.")
    clusters: int = Field(description="Clusters of these items.")
    unscored: int = Field(default=0, description="Items that could not be scored for one of them; left out.")
    only_candidate: int | None = Field(
        default=None, description="Items that only the candidate has right; None if scores are not binary."
    )
    only_other: int | None = Field(default=None, description="Items that only the other has right; likewise.")
    difference: float = Field(description="Candidate minus other, in the scale's unit.")
    low: float | None = Field(description="None if there is too little to say.")
    high: float | None = Field(description="None if there is too little to say.")
    p_value: float = Field(
        description="Two-sided, of swapping the models within clusters. Binary: mid-p, McNemar's where items have none."
    )
    margin: float = Field(description="In the scale's unit: a loss up to it counts as not worse.")
    finding: Finding


class ModelScores(Plain):
    """Whose scores a verdict rests on."""

    role: Role
    eval_set: str
    scores: ScoresId
    metrics: tuple[Metric, ...]


class GateResult(Plain):
    """What one gate says of a candidate."""

    name: str
    passed: bool
    message: str = Field(description="Why the candidate is not promoted; empty if the gate lets it through.")


class VerdictContent(Plain):
    """What was compared, and what follows."""

    recipe: str
    night: str
    blueprint: BlueprintId
    candidate: AdapterId = Field(description="Adapter.")
    champion: AdapterId | None = Field(description="Adapter that the `champion` ref held when this was decided.")
    baseline: BaseId = Field(description="Base model without adapter.")
    parity: ParityId | None = Field(
        default=None,
        description="Proof that the candidate is one model in training, evaluation and batch; none: it has no weights.",
    )
    scores: tuple[ModelScores, ...]
    comparisons: tuple[Comparison, ...]
    deciding: int | None = Field(
        description="Which of the comparisons decides, from 0: that with the champion, or with the baseline if there "
        "is no champion. None if nothing was compared."
    )
    finding: Finding = Field(description="Of the comparison that decides.")
    gates: tuple[GateResult, ...] = Field(description="In the order in which they are asked.")
    promote: bool = Field(description="Every gate let the candidate through.")
    reason: str = Field(description="One sentence for people.")

    @property
    def deciding_comparison(self) -> Comparison | None:
        """The comparison that decides."""
        return None if self.deciding is None else self.comparisons[self.deciding]

    @property
    def deciding_metric(self) -> Metric | None:
        """The candidate's metric that the deciding comparison is of; None if it was not scored by it."""
        comparison = self.deciding_comparison
        if comparison is None:
            return None
        scores = (one for one in self.scores if (one.role, one.eval_set) == ("candidate", comparison.eval_set))
        metrics = (metric for one in scores for metric in one.metrics)
        return next((one for one in metrics if (one.name, one.slice) == (comparison.metric, None)), None)


class Verdict(Artifact[VerdictId]):
    """The decision of a night, whether or not the ref moved."""

    kind: ClassVar[str] = "verdict"
    content: VerdictContent
    provenance: Empty = Empty()


class PredictionPlanContent(Plain):
    """The night's batch, before it is run: each row has exactly one shard."""

    recipe: str
    night: str
    model: ModelRef
    task: TaskSpec
    max_new_tokens: int
    checks: Checks = Field(description="What decides which rows are redacted, blocked or refused.")
    shards: tuple[RecordsPart, ...] = Field(description="Blobs of RECORDS frames.")
    rows: int
    code: str
    packages: dict[str, str]


class PredictionPlan(Artifact[PredictionPlanId]):
    """What will be predicted, with which model."""

    kind: ClassVar[str] = "prediction_plan"
    content: PredictionPlanContent
    provenance: Empty = Empty()


class PredictionShard(CachedResult):
    """One finished shard, found by its plan and number: committing it twice is impossible."""

    class Key(Plain):
        """Which shard of which plan."""

        plan: PredictionPlanId
        shard: int

    class Result(Plain):
        """What came out."""

        lines: ResultLines = Field(description="Blob of JSONL in the OpenAI batch result form.")
        counts: dict[PredictionStatus, int]
        rows: int
        seconds: float

    kind: ClassVar[str] = "prediction_shard"
    key: Key
    result: Result


class PredictionsContent(Plain):
    """All results of a plan."""

    plan: PredictionPlanId
    files: tuple[ResultLines, ...] = Field(description="Blobs of JSONL, by shard.")
    counts: dict[PredictionStatus, int] = Field(description="They add up to rows.")
    rows: int


class Predictions(Artifact[PredictionsId]):
    """The night's batch, done: one terminal result a row."""

    kind: ClassVar[str] = "predictions"
    content: PredictionsContent
    provenance: Empty = Empty()


class ReportContent(Plain):
    """The facts that a report tells."""

    recipe: str
    night: str
    facts: Annotated[str, Names(BLOB, "facts")] = Field(description="Blob of the facts as JSON.")


class ReportProvenance(Plain):
    """How they are shown."""

    html: BlobId = Field(description="Blob of the self-contained page.")


class Report(Artifact[ReportId]):
    """The morning's report."""

    kind: ClassVar[str] = "report"
    content: ReportContent
    provenance: ReportProvenance
