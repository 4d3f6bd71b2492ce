"""Training manifests: token ids, trials, their checkpoints, and which of them go on."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from nightloom.artifacts.blueprints import BlueprintSpec, TrialPlan
from nightloom.artifacts.fingerprints import TRIAL
from nightloom.artifacts.ids import AdapterId, BaseId, BlueprintId, CheckpointId, PromptId, SnapshotId, TrialId
from nightloom.artifacts.models import ModelFile, TaskSpec
from nightloom.core.manifests import CachedResult, Plain
from nightloom.core.names import BLOB, Names


class Tokens(CachedResult):
    """The memo that keeps a snapshot's examples from being rendered and encoded twice for the same tokenizer."""

    class Key(Plain):
        """All that the ids follow from: no base model, since many share a tokenizer."""

        snapshot: SnapshotId
        tokenizer: str = Field(description="Digest of the tokenizer's files and class.")
        template: str = Field(description="Digest of the text of its chat template.")
        prompt: PromptId
        output: Literal["json", "text"]
        field_order: tuple[str, ...]
        code: str = Field(description="Digest of our packages that render and encode.")
        packages: dict[str, str] = Field(description="Versions of tokenizers and transformers.")

    class Result(Plain):
        """Where the ids lie, and how many there were when they were encoded; rows may have been erased since."""

        frames: tuple[Annotated[str, Names(BLOB, "tokens")], ...] = Field(
            description="Blobs of TOKENS frames, one for each file of the snapshot, in their order."
        )
        examples: int
        tokens: int
        learned_tokens: int

    kind: ClassVar[str] = "tokens"
    key: Key
    result: Result


class TrialKey(Plain):
    """All that a trial's weights follow from: a changed gate or eval set trains nothing anew."""

    snapshot: SnapshotId
    base: BaseId
    task: TaskSpec
    plan: TrialPlan
    code: dict[str, str] = Field(description="Digests of our packages that training imports.")
    packages: dict[str, str]


class HeldOutLoss(Plain):
    """The mean loss of an answer of the selection split, which is not learned from, with its 95 % interval."""

    step: int
    loss: float
    low: float
    high: float
    n: int = Field(description="Examples.")


class LossPoint(Plain):
    """One point of the loss curve."""

    step: int
    loss: float
    learning_rate: float


class TrialResult(Plain):
    """What training came to."""

    adapter: AdapterId
    steps: int = Field(description="Optimizer steps that were made.")
    kept_step: int = Field(description="The step whose weights the adapter holds; with early stopping the best.")
    examples: int
    tokens: int = Field(description="Tokens of all examples of one epoch.")
    label_tokens: int = Field(description="Of those, tokens that carry a label.")
    left_out: int = Field(description="Examples longer than the context; over 1 in 100, and training is refused.")
    final_loss: float
    seconds: float = Field(description="Of devices: each one's, in all attempts, those that were killed too.")
    tokens_per_second: float = Field(description="Of a device.")
    curve: tuple[LossPoint, ...]
    held_out: tuple[HeldOutLoss, ...] = Field(default=(), description="The last one is that of the kept weights.")
    sample: Annotated[str, Names(BLOB, "labels")] | None = Field(
        default=None, description="Blob of a LABELS frame: an example as the model saw it, and what of it was learned."
    )
    device: str = Field(default="cpu", description="Such as `cpu` or the name of a GPU.")
    processes: int = Field(default=1, description="That trained together, each on a device of its own.")
    adjustments: tuple[str, ...] = Field(default=(), description="What was done otherwise than planned.")


class Trial(CachedResult[TrialId]):
    """The memo that keeps a trial from being trained twice."""

    kind: ClassVar[str] = "trial"
    key: TrialKey
    result: TrialResult


class Checkpoint(CachedResult[CheckpointId]):
    """A trial's state after a step. It is published last: what has no manifest was not written to the end."""

    class Key(Plain):
        """Which trial and step, and how often its batch was halved."""

        trial: TrialKey
        step: int
        halvings: int

    class Result(Plain):
        """The state."""

        files: tuple[ModelFile, ...] = Field(description="Sorted by path; nothing in them is ever unpickled.")
        seconds: float = Field(description="What the trial had taken of devices until then.")

    kind: ClassVar[str] = "checkpoint"
    is_kept_with_its_inputs: ClassVar[bool] = False
    key: Key
    result: Result


class Rung(CachedResult):
    """The memo of a trial that came to a rung: a share of its training, after which trials are ranked."""

    class Key(Plain):
        """Which trial and rung."""

        trial: TrialKey
        share: float

    class Result(Plain):
        """Where it stood."""

        held_out: HeldOutLoss

    kind: ClassVar[str] = "rung"
    key: Key
    result: Result


class Divergence(CachedResult):
    """The memo of a trial among several whose training diverged: it has no weights, and ranks behind all others."""

    class Result(Plain):
        """What became of it."""

        reason: str = Field(description="A sentence: by which step, what was no number, and which settings to change.")

    kind: ClassVar[str] = "divergence"
    key: TrialKey
    result: Result


class TrialRank(Plain):
    """How a trial stood among the others."""

    trial: int
    configuration: int = Field(description="Trials of one configuration differ in their seed alone.")
    held_out: HeldOutLoss | None = Field(description="None where there was nothing to choose by, or it diverged.")
    diverged: str | None = Field(default=None, description="Why its training diverged; none: it did not.")


class Ranking(CachedResult):
    """The memo of how the trials of a blueprint were ranked at a rung, the best first, and which went on.

    Of a configuration that came so far, trials that had diverged before are ranked too, last.
    """

    class Key(Plain):
        """Which blueprint and rung; after the last rung comes the end."""

        blueprint: BlueprintId
        rung: int

    class Result(Plain):
        """Who goes on; after the end, the one winner."""

        ranks: tuple[TrialRank, ...]
        survivors: tuple[int, ...]

    kind: ClassVar[str] = "ranking"
    key: Key
    result: Result


def identify_trial(spec: BlueprintSpec, number: int) -> TrialKey:
    """Return what determines the weights of a blueprint's trial."""
    return TrialKey(
        snapshot=spec.snapshot,
        base=spec.base,
        task=spec.task,
        plan=spec.trials[number],
        code={name: spec.code[name] for name in TRIAL.modules if name in spec.code},
        packages=spec.packages,
    )
