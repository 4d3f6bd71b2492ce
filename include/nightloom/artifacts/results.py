"""Result manifests: scores, verdicts, predictions, reports."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from nightloom.artifacts.data import Empty, EvalSetId, RecordsPart, SnapshotId
from nightloom.artifacts.models import AdapterId, BaseId, BlueprintId, ModelRef, TaskSpec
from nightloom.core.manifests import Artifact, CachedResult, Plain
from nightloom.core.names import BLOB, BlobId, Names

ResultLines = Annotated[str, Names(BLOB, "lines")]
PredictionPlanId = Annotated[str, Names("prediction_plan")]

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
    code: str
    packages: dict[str, str]


class Metric(Plain):
    """A rate with its Wilson interval. `value` is correct / n."""

    name: str = Field(description="A field of the answer, `exact` (all fields) or `valid`.")
    slice: str | None = None
    correct: int
    n: int
    low: float
    high: float

    @property
    def value(self) -> float | None:
        """The rate; none where there is no item (0/0 is undefined, not 0)."""
        return self.correct / self.n if self.n else None


class ScoresResult(Plain):
    """What came out."""

    frame: Annotated[str, Names(BLOB, "scores")] = Field(description="Blob of a SCORES frame.")
    metrics: tuple[Metric, ...]
    seconds: float


class Scores(CachedResult):
    """Scores of one model on one eval set, found again by what determines them."""

    kind: ClassVar[str] = "scores"
    key: ScoresKey
    result: ScoresResult


class ParityCheck(Plain):
    """One thing that has to be the same wherever a model is used, and whether it is."""

    name: Literal["ids", "adapter", "merge", "answers"]
    passed: bool
    value: float = Field(description="What was measured, in the unit that the sentence names.")
    tolerance: float
    n: int = Field(description="Examples that it was measured on.")
    sentence: str = Field(description="For people; holds no row's text.")


class Parity(CachedResult):
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
        return next((check.sentence for check in self.result.checks if not check.passed), None)

    @property
    def is_without_effect(self) -> bool:
        """The adapter changed nothing at all that its base model says."""
        return any(check.name == "adapter" and check.n and not check.value for check in self.result.checks)


class Comparison(Plain):
    """A paired comparison of the candidate on the same items, clusters respected."""

    against: Against
    eval_set: str
    metric: str
    n: int
    only_candidate: int = Field(description="Items that only the candidate has right.")
    only_other: int = Field(description="Items that only the other has right.")
    difference: float
    low: float
    high: float
    p_value: float = Field(
        description="Two-sided mid-p of swapping the models within clusters: McNemar's where items have none."
    )
    margin: float
    finding: Finding


class ModelScores(Plain):
    """Whose scores a verdict rests on."""

    role: Role
    eval_set: str
    scores: Annotated[str, Names("scores")]
    metrics: tuple[Metric, ...]


class VerdictContent(Plain):
    """What was compared, and what follows."""

    recipe: str
    night: str
    blueprint: BlueprintId
    candidate: AdapterId = Field(description="Adapter.")
    champion: AdapterId | None = Field(description="Adapter that the `champion` ref held when this was decided.")
    baseline: BaseId = Field(description="Base model without adapter.")
    parity: Annotated[str, Names("parity")] | None = Field(
        default=None,
        description="Proof that the candidate is one model in training, evaluation and batch; none: it has no weights.",
    )
    scores: tuple[ModelScores, ...]
    comparisons: tuple[Comparison, ...]
    finding: Finding = Field(description="Of the comparison that decides: champion, else baseline.")
    promote: bool
    reason: str = Field(description="One sentence for people.")


class Verdict(Artifact):
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
    checks: dict[str, Any] = Field(description="The recipe's settings that decide what is redacted or blocked.")
    shards: tuple[RecordsPart, ...] = Field(description="Blobs of RECORDS frames.")
    rows: int
    code: str
    packages: dict[str, str]


class PredictionPlan(Artifact):
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


class Predictions(Artifact):
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


class Report(Artifact):
    """The morning's report."""

    kind: ClassVar[str] = "report"
    content: ReportContent
    provenance: ReportProvenance
