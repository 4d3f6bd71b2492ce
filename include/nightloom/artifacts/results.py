"""Result manifests: scores, verdicts, reports."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from nightloom.artifacts.data import Empty
from nightloom.artifacts.ids import (
    AdapterId,
    BaseId,
    BlueprintId,
    EvalSetId,
    ParityId,
    ReportId,
    ScoresId,
    SnapshotId,
    VerdictId,
)
from nightloom.artifacts.models import ModelRef, TaskSpec
from nightloom.core.manifests import Artifact, CachedResult, Plain
from nightloom.core.names import BLOB, BlobId, Names

Finding = Literal["BETTER", "NOT_WORSE", "WORSE", "INCONCLUSIVE"]
ScoreKind = Literal["binary", "real"]
Direction = Literal["higher", "lower"]
Against = Literal["champion", "baseline", "linear_classifier"]
Role = Literal["candidate", Against]
ROLES: tuple[Role, ...] = ("candidate", "champion", "baseline", "linear_classifier")


class ScoresKey(Plain):
    """All inputs that determine a model's scores on an eval set."""

    model: ModelRef | None = Field(description="The scored model, or None for the linear classifier.")
    linear_classifier: SnapshotId | None = Field(
        default=None, description="Snapshot that the linear classifier was trained on, or None for a model."
    )
    evalset: EvalSetId
    task: TaskSpec
    max_new_tokens: int
    scorers: tuple[str, ...] = Field(description="Name and version of each scorer, such as `exact_match/1`.")
    code: str
    packages: dict[str, str]


class Scale(Plain):
    """The meaning of a scorer's values."""

    kind: ScoreKind = Field(description="`binary`: 1 or 0, which has exact statistics. `real`: any number.")
    unit: str = Field(
        description="Unit of a real value, such as `ms`, or empty. For binary scores what 1 means, such as `right`."
    )
    direction: Direction = Field(description="Whether the higher or the lower value is better.")
    least: float | None = Field(description="The smallest possible value, or None if there is no bound.")
    most: float | None = Field(description="The largest possible value, or None if there is no bound.")


class Metric(Plain):
    """The mean of one scorer's values over items, with its 95 % interval."""

    name: str = Field(description="A field of the answer, or the scorer's name if it scores the whole answer.")
    scorer: str = Field(description="Name and version.")
    scale: Scale
    slice: str | None = None
    value: float | None = Field(description="The mean, or None if no item was scored: 0/0 is undefined, not 0.")
    low: float | None = Field(description="Bound of the interval, or None if there are too few items.")
    high: float | None = Field(description="Bound of the interval, or None if there are too few items.")
    n: int = Field(description="Number of scored items.")
    unscored: int = Field(default=0, description="Number of items that could not be scored; not part of the mean.")


class ScoresResult(Plain):
    """Scores, outputs and metrics."""

    frame: Annotated[str, Names(BLOB, "scores")] = Field(description="Blob of a SCORES frame.")
    outputs: Annotated[str, Names(BLOB, "outputs")] = Field(description="Blob of an OUTPUTS frame.")
    metrics: tuple[Metric, ...]
    cut: int = Field(default=0, description="Number of answers that the limit of tokens ended.")
    seconds: float


class Scores(CachedResult[ScoresId]):
    """Cached scores of one model on one eval set."""

    kind: ClassVar[str] = "scores"
    key: ScoresKey
    result: ScoresResult


class ItemTokens(CachedResult):
    """Cached tokens of an eval set's items: whether a model can give the right answers."""

    class Key(Plain):
        """The base model, the task, the eval set, and the code that encodes."""

        base: BaseId
        task: TaskSpec
        evalset: EvalSetId
        code: str
        packages: dict[str, str]

    class Result(Plain):
        """Numbers of items by their tokens."""

        context: int = Field(description="Tokens that the base model can hold.")
        prompts: dict[int, int] = Field(description="Number of items by the tokens before the answer.")
        answers: dict[int, int] = Field(description="Number of items by the tokens of the right answer, end included.")

        @property
        def items(self) -> int:
            """Number of items."""
            return sum(self.answers.values())

        def count_longer(self, limit: int) -> int:
            """Return how many right answers have more tokens than a limit."""
            return sum(items for tokens, items in self.answers.items() if tokens > limit)

        def count_without_room(self, limit: int) -> int:
            """Return how many prompts leave less room for an answer than a limit."""
            return sum(items for tokens, items in self.prompts.items() if tokens > self.context - limit)

    kind: ClassVar[str] = "item_tokens"
    key: Key
    result: Result


class ParityCheck(Plain):
    """One check that a model behaves the same wherever it is used."""

    name: Literal["ids", "adapter", "merge", "answers"]
    passed: bool
    value: float = Field(description="Measured value, in the unit that the message names.")
    tolerance: float
    n: int = Field(description="Number of examples measured.")
    message: str = Field(description="Explanation for people; contains no row text.")


class Parity(CachedResult[ParityId]):
    """Cached parity check: no training-serving skew between training, evaluation and batch."""

    class Key(Plain):
        """All inputs of the check."""

        model: ModelRef
        task: TaskSpec
        max_new_tokens: int
        snapshot: SnapshotId | None = Field(
            description="Snapshot that the examples come from, or None if their texts are made up."
        )
        code: str
        packages: dict[str, str]

    class Result(Plain):
        """The checks."""

        checks: tuple[ParityCheck, ...]
        seconds: float

    kind: ClassVar[str] = "parity"
    key: Key
    result: Result

    @property
    def mismatch(self) -> str | None:
        """The message of the first failed check, or None if all passed."""
        return next((check.message for check in self.result.checks if not check.passed), None)


class Comparison(Plain):
    """A paired comparison of the candidate with another model on the same items, robust to clusters."""

    against: Against
    eval_set: str
    metric: str = Field(description="Name of the metric, as in `Metric`.")
    scorer: str = Field(description="Name and version.")
    scale: Scale
    n: int = Field(description="Number of items scored for both models.")
    clusters: int = Field(description="Number of clusters of these items.")
    unscored: int = Field(default=0, description="Number of items not scored for one of the models; left out.")
    only_candidate: int | None = Field(
        default=None, description="Items that only the candidate has right, or None if scores are not binary."
    )
    only_other: int | None = Field(default=None, description="The same for the other model.")
    difference: float = Field(description="Candidate minus other, in the scale's unit.")
    low: float | None = Field(description="Bound of the interval, or None if there are too few items.")
    high: float | None = Field(description="Bound of the interval, or None if there are too few items.")
    p_value: float = Field(
        description="Two-sided, of swapping the models within clusters. Binary: mid-p; without clusters McNemar's."
    )
    margin: float = Field(
        description="Non-inferiority margin, in the scale's unit: a smaller loss counts as not worse."
    )
    finding: Finding


class ModelScores(Plain):
    """The scores of one model that a verdict is based on."""

    role: Role
    eval_set: str
    scores: ScoresId
    metrics: tuple[Metric, ...]
    cut: int = Field(default=0, description="Number of answers that the limit of tokens ended.")


class GateResult(Plain):
    """The result of one gate for a candidate."""

    name: str
    passed: bool
    message: str = Field(description="Why the candidate is not promoted; empty if the gate passed.")


class VerdictContent(Plain):
    """The comparisons, the gates, and the decision."""

    recipe: str
    night: str
    blueprint: BlueprintId
    candidate: AdapterId = Field(description="The candidate's adapter.")
    champion: AdapterId | None = Field(
        description="Adapter of the `champion` ref at the time of the decision, or None if it was unset."
    )
    baseline: BaseId = Field(description="Base model without adapter.")
    parity: ParityId | None = Field(
        default=None,
        description="Parity check of the candidate, or None if it has no weights.",
    )
    scores: tuple[ModelScores, ...]
    comparisons: tuple[Comparison, ...]
    deciding: int | None = Field(
        description="Index of the deciding comparison: with the champion, or with the baseline if there is no "
        "champion. None if nothing was compared."
    )
    finding: Finding = Field(description="Finding of the deciding comparison.")
    gates: tuple[GateResult, ...] = Field(description="In the order in which they are applied.")
    promote: bool = Field(description="Whether every gate passed.")
    reason: str = Field(description="Explanation for people, in one sentence.")

    @property
    def deciding_comparison(self) -> Comparison | None:
        """The deciding comparison, or None if nothing was compared."""
        return None if self.deciding is None else self.comparisons[self.deciding]

    @property
    def deciding_metric(self) -> Metric | None:
        """The candidate's metric in the deciding comparison, or None if it was not scored."""
        comparison = self.deciding_comparison
        if comparison is None:
            return None
        return self.find_metric("candidate", comparison.eval_set, comparison.metric)

    def find_metric(self, role: Role, eval_set: str, name: str) -> Metric | None:
        """Return a model's metric over all items of an eval set, or None if it was not scored."""
        scores = (one for one in self.scores if (one.role, one.eval_set) == (role, eval_set))
        metrics = (metric for one in scores for metric in one.metrics)
        return next((metric for metric in metrics if (metric.name, metric.slice) == (name, None)), None)


class Verdict(Artifact[VerdictId]):
    """The decision of a night, whether or not it moved the ref."""

    kind: ClassVar[str] = "verdict"
    content: VerdictContent
    provenance: Empty = Empty()


class ReportContent(Plain):
    """The data of a report."""

    recipe: str
    night: str
    facts: Annotated[str, Names(BLOB, "facts")] = Field(description="Blob of the facts as JSON.")


class ReportProvenance(Plain):
    """The rendered report."""

    html: BlobId = Field(description="Blob of the self-contained page.")


class Report(Artifact[ReportId]):
    """The morning's report."""

    kind: ClassVar[str] = "report"
    content: ReportContent
    provenance: ReportProvenance
