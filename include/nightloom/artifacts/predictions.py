"""Prediction manifests: the plan of a night's batch, its finished shards, and all its results."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from nightloom.artifacts.answers import Found
from nightloom.artifacts.data import Empty, RecordsPart
from nightloom.artifacts.ids import PredictionPlanId, PredictionsId
from nightloom.artifacts.models import Checks, ModelRef, TaskSpec
from nightloom.core.manifests import Artifact, CachedResult, Plain
from nightloom.core.names import BLOB, Names

ResultLines = Annotated[str, Names(BLOB, "lines")]

PredictionStatus = Literal["succeeded", "invalid_output", "blocked", "failed", "expired"]
PREDICTION_STATUSES: tuple[PredictionStatus, ...] = (
    "succeeded",
    "invalid_output",
    "blocked",
    "failed",
    "expired",
)


class PredictionPlanContent(Plain):
    """The night's batch before it runs; each row belongs to exactly one shard."""

    recipe: str
    night: str
    model: ModelRef
    task: TaskSpec
    max_new_tokens: int
    checks: Checks = Field(description="Settings that decide which rows are redacted, blocked or refused.")
    shards: tuple[RecordsPart, ...] = Field(description="Blobs of RECORDS frames.")
    rows: int
    code: str
    packages: dict[str, str]


class PredictionPlan(Artifact[PredictionPlanId]):
    """The rows to predict, and the model to predict them with."""

    kind: ClassVar[str] = "prediction_plan"
    content: PredictionPlanContent
    provenance: Empty = Empty()


class ScannedAnswers(Plain):
    """What scanners found in the answers of the model, apart from what they found in its input."""

    found: tuple[Found, ...] = Field(default=(), description="Numbers of matches by scanner and kind, sorted.")
    redacted: int = Field(default=0, description="Rows whose answer was redacted.")
    withheld: int = Field(default=0, description="Rows whose answer was withheld; they count as `blocked`.")


class PredictionShard(CachedResult):
    """One finished shard, found by plan and number, so that it cannot be committed twice."""

    class Key(Plain):
        """The plan and the shard's number."""

        plan: PredictionPlanId
        shard: int

    class Result(Plain):
        """The shard's results."""

        lines: ResultLines = Field(description="Blob of JSONL in the OpenAI batch result form.")
        counts: dict[PredictionStatus, int]
        answers: ScannedAnswers = ScannedAnswers()
        rows: int
        seconds: float

    kind: ClassVar[str] = "prediction_shard"
    key: Key
    result: Result


class PredictionsContent(Plain):
    """All results of a plan."""

    plan: PredictionPlanId
    files: tuple[ResultLines, ...] = Field(description="Blobs of JSONL, one per shard.")
    counts: dict[PredictionStatus, int] = Field(description="They add up to rows.")
    answers: ScannedAnswers = ScannedAnswers()
    rows: int


class Predictions(Artifact[PredictionsId]):
    """The finished batch of a night: one terminal result per row."""

    kind: ClassVar[str] = "predictions"
    content: PredictionsContent
    provenance: Empty = Empty()
