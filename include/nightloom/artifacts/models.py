"""Model manifests: base models, blueprints, token ids, trials, adapters."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from nightloom.artifacts.data import Empty, EvalSetId, SnapshotId
from nightloom.core.manifests import Manifest, Plain
from nightloom.core.names import BLOB, BlobId, Names

BaseId = Annotated[str, Names("base")]
AdapterId = Annotated[str, Names("adapter")]
BlueprintId = Annotated[str, Names("blueprint")]
PromptId = Annotated[str, Names("prompt")]


class ModelFile(Plain):
    """One file of a model folder."""

    path: str = Field(description="Name within the folder.")
    sha256: BlobId
    size_bytes: int


class BaseModelIdentity(Plain):
    """A base model's folder: weights, configuration, tokenizer, chat template."""

    files: tuple[ModelFile, ...] = Field(description="Sorted by path.")


class BaseModelManifest(Manifest):
    """A base model, frozen."""

    kind: ClassVar[str] = "base"
    identity: BaseModelIdentity
    record: Empty = Empty()


class Starter(Manifest):
    """Which base model the starter's settings give: the memo that keeps it from being made twice."""

    class Identity(Plain):
        """All that the starter is made from."""

        settings: dict[str, Any]
        code: str
        packages: dict[str, str]

    class Record(Plain):
        """What came out."""

        base: BaseId
        seconds: float
        loss: float

    kind: ClassVar[str] = "starter"
    is_memo: ClassVar[bool] = True
    identity: Identity
    record: Record


class EvalSetUse(Plain):
    """An eval set in a blueprint, with what a comparison on it can show."""

    name: str
    evalset: EvalSetId
    items: int
    minimum_detectable_effect: float = Field(
        description="Smallest paired difference found with 80 % power at 10 % discordant items."
    )


class TrialPlan(Plain):
    """Settings of one training attempt."""

    trainer: Literal["trl", "dummy"]
    method: Literal["lora", "full"]
    lora: dict[str, Any]
    settings: dict[str, Any]
    seed: int


class BlueprintIdentity(Plain):
    """All that determines the result. It names no night: unchanged inputs are the same blueprint."""

    recipe: str
    snapshot: SnapshotId
    base: BaseId
    prompt: PromptId = Field(description="Digest of the prompt version.")
    output: Literal["json", "text"]
    answer: dict[str, tuple[str, ...] | None] = Field(description="Fields and their allowed values.")
    field_order: tuple[str, ...]
    primary: str
    eval_sets: tuple[EvalSetUse, ...]
    max_new_tokens: int
    trials: tuple[TrialPlan, ...]
    promote_on: Literal["better", "not_worse"]
    margin: float
    confidence: float
    code: str = Field(description="Digest of our packages that training and scoring import.")
    packages: dict[str, str] = Field(description="Versions of torch, transformers, peft, trl, tokenizers.")


class BlueprintRecord(Plain):
    """Observed when it was compiled."""

    night: str
    packages: dict[str, str] = Field(description="Every installed package.")
    python: str
    machine: str


class Blueprint(Manifest):
    """What will be trained and compared, stored before anything trains."""

    kind: ClassVar[str] = "blueprint"
    identity: BlueprintIdentity
    record: BlueprintRecord


class Tokens(Manifest):
    """The memo that keeps a snapshot's examples from being rendered and encoded twice for the same tokenizer."""

    class Identity(Plain):
        """All that the ids follow from: no base model, since many share a tokenizer."""

        snapshot: SnapshotId
        tokenizer: str = Field(description="Digest of the tokenizer's files and class.")
        template: str = Field(description="Digest of the text of its chat template.")
        prompt: PromptId
        output: Literal["json", "text"]
        field_order: tuple[str, ...]
        code: str = Field(description="Digest of our packages that render and encode.")
        packages: dict[str, str] = Field(description="Versions of tokenizers and transformers.")

    class Record(Plain):
        """Where the ids lie, and how many there were when they were encoded; rows may have been erased since."""

        frames: tuple[Annotated[str, Names(BLOB, "tokens")], ...] = Field(
            description="Blobs of TOKENS frames, one for each file of the snapshot, in their order."
        )
        examples: int
        tokens: int
        learned_tokens: int

    kind: ClassVar[str] = "tokens"
    is_memo: ClassVar[bool] = True
    identity: Identity
    record: Record


class AdapterIdentity(Plain):
    """Weights on top of a base model."""

    base: BaseId
    method: Literal["lora", "full"]
    files: tuple[ModelFile, ...] = Field(description="Sorted by path; weights are safetensors only.")


class AdapterRecord(Plain):
    """Where the weights came from first."""

    blueprint: BlueprintId
    trial: int


class Adapter(Manifest):
    """Fine-tuned weights, frozen. With method `full` the folder holds all weights and stands in for the base."""

    kind: ClassVar[str] = "adapter"
    identity: AdapterIdentity
    record: AdapterRecord


class TrialIdentity(Plain):
    """One trial of one blueprint."""

    blueprint: BlueprintId
    trial: int


class LossPoint(Plain):
    """One point of the loss curve."""

    step: int
    loss: float
    learning_rate: float


class TrialRecord(Plain):
    """What training came to."""

    adapter: AdapterId
    steps: int
    examples: int
    tokens: int = Field(description="Tokens of all examples of one epoch.")
    label_tokens: int = Field(description="Of those, tokens that carry a label.")
    left_out: int = Field(description="Examples longer than the context; over 1 in 100, and training is refused.")
    final_loss: float
    seconds: float
    tokens_per_second: float
    curve: tuple[LossPoint, ...]


class Trial(Manifest):
    """The memo that keeps a blueprint's trial from being trained twice."""

    kind: ClassVar[str] = "trial"
    is_memo: ClassVar[bool] = True
    identity: TrialIdentity
    record: TrialRecord


class ModelRef(Plain):
    """A model that can generate: a base model, with or without an adapter."""

    base: BaseId
    adapter: AdapterId | None = None
