"""Training manifests: token ids, trials, their checkpoints, and their rankings."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from nightloom.artifacts.blueprints import BlueprintSpec, TrialPlan
from nightloom.artifacts.fingerprints import TRIAL
from nightloom.artifacts.ids import AdapterId, BaseId, BlueprintId, CheckpointId, PromptId, SnapshotId, TrialId
from nightloom.artifacts.models import ModelFile, TaskSpec, TemplateKwargs
from nightloom.core.manifests import CachedResult, Plain
from nightloom.core.names import BLOB, Names


class Tokens(CachedResult):
    """Cached token ids of a snapshot's examples, rendered and encoded once per tokenizer."""

    class Key(Plain):
        """All inputs of the token ids. The base model is not among them: many share a tokenizer."""

        snapshot: SnapshotId
        tokenizer: str = Field(description="Digest of the tokenizer's files and class.")
        template: str = Field(description="Digest of the chat template's text.")
        prompt: PromptId
        output: Literal["json", "text"]
        field_order: tuple[str, ...]
        chat_template_kwargs: TemplateKwargs = Field(default_factory=dict)
        code: str = Field(description="Digest of our code that renders and encodes.")
        packages: dict[str, str] = Field(description="Versions of tokenizers and transformers.")

    class Result(Plain):
        """The token ids, with counts as of encoding; rows may have been erased since."""

        frames: tuple[Annotated[str, Names(BLOB, "tokens")], ...] = Field(
            description="Blobs of TOKENS frames, one per file of the snapshot, in the same order."
        )
        examples: int
        tokens: int
        learned_tokens: int
        changed_answers: int = Field(description="Examples whose answer the chat template does not write as it is.")

    kind: ClassVar[str] = "tokens"
    key: Key
    result: Result


class TrialKey(Plain):
    """All inputs that determine a trial's weights. Gates and eval sets are not among them."""

    snapshot: SnapshotId
    base: BaseId
    task: TaskSpec
    plan: TrialPlan
    code: dict[str, str] = Field(description="Digests of our code that training imports.")
    packages: dict[str, str]


class HeldOutLoss(Plain):
    """Mean held-out loss on answers of the selection split, with its 95 % interval."""

    step: int
    loss: float
    low: float
    high: float
    n: int = Field(description="Number of examples.")


class LossPoint(Plain):
    """One point of the loss curve."""

    step: int
    loss: float
    learning_rate: float


class TrialResult(Plain):
    """The result of training."""

    adapter: AdapterId
    steps: int = Field(description="Number of optimizer steps.")
    kept_step: int = Field(description="Step whose weights the adapter has: the last, or with early stopping the best.")
    examples: int
    tokens: int = Field(description="Tokens of all examples of one epoch.")
    label_tokens: int = Field(description="Number of those that count in the loss.")
    left_out: int = Field(description="Number of examples longer than the context; training is refused above 1 in 100.")
    final_loss: float
    seconds: float = Field(description="Device seconds: the sum over all devices and attempts, killed ones included.")
    tokens_per_second: float = Field(description="Throughput per device.")
    curve: tuple[LossPoint, ...]
    held_out: tuple[HeldOutLoss, ...] = Field(
        default=(), description="Held-out losses by step; the last belongs to the kept weights."
    )
    sample: Annotated[str, Names(BLOB, "labels")] | None = Field(
        default=None, description="Blob of a LABELS frame with one example and its learned tokens, or None."
    )
    device: str = Field(default="cpu", description="Device name, such as `cpu` or the name of a GPU.")
    processes: int = Field(default=1, description="Number of processes that trained together, each on its own device.")
    adjustments: tuple[str, ...] = Field(default=(), description="Deviations from the plan, such as a halved batch.")
    changed_answers: int = Field(
        default=0, description="Examples whose answer the chat template does not write as it is."
    )


class Trial(CachedResult[TrialId]):
    """Cached trial: a trial with the same key is not trained twice."""

    kind: ClassVar[str] = "trial"
    key: TrialKey
    result: TrialResult


class Checkpoint(CachedResult[CheckpointId]):
    """A trial's state after a step. The manifest is published last: a state without one is incomplete."""

    class Key(Plain):
        """The trial, the step, and how often the batch was halved."""

        trial: TrialKey
        step: int
        halvings: int

    class Result(Plain):
        """The saved state."""

        files: tuple[ModelFile, ...] = Field(description="Files sorted by path; none is ever unpickled.")
        seconds: float = Field(description="Device seconds of the trial up to this step.")

    kind: ClassVar[str] = "checkpoint"
    is_kept_with_its_inputs: ClassVar[bool] = False
    key: Key
    result: Result


class Rung(CachedResult):
    """Cached result of a trial at a rung: a share of the training after which trials are ranked."""

    class Key(Plain):
        """The trial and the rung."""

        trial: TrialKey
        share: float

    class Result(Plain):
        """The held-out loss at the rung."""

        held_out: HeldOutLoss

    kind: ClassVar[str] = "rung"
    key: Key
    result: Result


class Divergence(CachedResult):
    """Cached divergence of one of several trials: it has no weights, and ranks behind all others."""

    class Result(Plain):
        """The reason."""

        reason: str = Field(description="One sentence: the step, what was not finite, and which settings to change.")

    kind: ClassVar[str] = "divergence"
    key: TrialKey
    result: Result


class TrialRank(Plain):
    """One trial in a ranking."""

    trial: int
    configuration: int = Field(
        description="Number of its configuration; trials of one configuration differ only in their seed."
    )
    held_out: HeldOutLoss | None = Field(description="Held-out loss, or None if there is none or the trial diverged.")
    diverged: str | None = Field(default=None, description="Why its training diverged, or None if it did not.")


class Ranking(CachedResult):
    """Cached ranking of a blueprint's trials at a rung, the best first, with the survivors.

    Diverged trials of a configuration that reached the rung are ranked too, last.
    """

    class Key(Plain):
        """The blueprint and the rung. The rung after the last is the end of training."""

        blueprint: BlueprintId
        rung: int

    class Result(Plain):
        """The ranks, and the trials that train on; at the end the one winner."""

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
