"""Model manifests: base models, adapters, and what a model is asked."""

from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import Field

from nightloom.artifacts.ids import AdapterId, BaseId, BlueprintId, ImportId, PromptId
from nightloom.core.manifests import Artifact, CachedResult, Plain
from nightloom.core.names import BlobId
from nightloom.recipes.schema import Action, Task


class ModelFile(Plain):
    """One file of a model folder."""

    path: str = Field(description="Name within the folder.")
    sha256: BlobId
    size_bytes: int


class BaseModelContent(Plain):
    """A base model's folder: weights, configuration, tokenizer, chat template."""

    files: tuple[ModelFile, ...] = Field(description="Sorted by path.")


class BaseModelProvenance(Plain):
    """Where it was taken from first, and under which terms."""

    source: str = Field(description="As a recipe names it: `starter`, a folder's name, s3://…, org/name@revision.")
    license: str | None = Field(default=None, description="As the model card in the folder says.")


class BaseModelManifest(Artifact[BaseId]):
    """A base model, frozen."""

    kind: ClassVar[str] = "base"
    content: BaseModelContent
    provenance: BaseModelProvenance


class Starter(CachedResult):
    """Which base model the starter's settings give: the memo that keeps it from being made twice."""

    class Key(Plain):
        """All that the starter is made from."""

        settings: dict[str, Any]
        code: str
        packages: dict[str, str]

    class Result(Plain):
        """What came out."""

        base: BaseId
        seconds: float
        loss: float

    kind: ClassVar[str] = "starter"
    key: Key
    result: Result


class Download(CachedResult):
    """Which base model lies somewhere else: the memo that keeps it from being fetched every night."""

    class Key(Plain):
        """A place, and what tells that nothing has changed there."""

        source: str = Field(description="s3://bucket/prefix/ or org/name of a hub.")
        revision: str = Field(description="Commit of a hub, or the digest of a listing with sizes and tags.")

    class Result(Plain):
        """What was fetched."""

        base: BaseId

    kind: ClassVar[str] = "download"
    key: Key
    result: Result


class Rendering(CachedResult):
    """How an interpreter reads a base model's tokenizer and chat template."""

    class Key(Plain):
        """A base model, and what reads it."""

        base: BaseId
        code: str
        packages: dict[str, str]

    class Result(Plain):
        """What it read."""

        tokenizer: str | None = Field(description="Digest of the tokenizer, or None if the model has none.")
        template: str | None = Field(description="Digest of the chat template's text, or None.")

    kind: ClassVar[str] = "rendering"
    key: Key
    result: Result


class Checks(Plain):
    """What a text goes through before a model learns from it or sees it."""

    max_characters: int = Field(description="Length beyond which a text, as received, is refused.")
    operations: dict[str, int] = Field(description="Operations that normalise it, with their versions.")
    actions: dict[str, Action] = Field(
        description="What becomes of a text in which a scanner finds something, by the scanner's name."
    )
    scanners: dict[str, int] = Field(description="Versions of those scanners that are asked; the others are `keep`.")


class TaskSpec(Plain):
    """What a model is asked, and which form its answer has: the same in training, evaluation, batch and serving."""

    prompt: PromptId = Field(description="Digest of the prompt version.")
    output: Literal["json", "text"]
    answer: dict[str, tuple[str, ...] | None] = Field(description="Fields and their allowed values.")
    field_order: tuple[str, ...]


def specify_task(task: Task, prompt_id: PromptId) -> TaskSpec:
    """Return what a recipe's task asks a model.

    Args:
        task: As the team wrote it.
        prompt_id: The prompt version that it names.
    """
    return TaskSpec(
        prompt=prompt_id,
        output=task.output,
        answer={name: field.one_of for name, field in task.answer.items()},
        field_order=tuple(task.answer),
    )


class AdapterContent(Plain):
    """Weights on top of a base model."""

    base: BaseId
    method: Literal["lora", "full"]
    files: tuple[ModelFile, ...] = Field(description="Sorted by path; weights are safetensors only.")


class AdapterProvenance(Plain):
    """Where the weights came from first. What a recipe asks them, its verdict or its import says."""

    blueprint: BlueprintId | None = Field(default=None, description="None: it was not trained here.")
    trial: int | None = Field(default=None, description="Number of the blueprint's trial.")
    source: str | None = Field(default=None, description="What it was imported from.")


class Adapter(Artifact[AdapterId]):
    """Fine-tuned weights, frozen. With method `full` the folder holds all weights and stands in for the base."""

    kind: ClassVar[str] = "adapter"
    content: AdapterContent
    provenance: AdapterProvenance


class Import(Artifact[ImportId]):
    """That a recipe adopted an adapter from elsewhere, and what it asks it; kept for good."""

    class Content(Plain):
        """The recipe's adapter, and how it is used."""

        recipe: str
        adapter: AdapterId
        task: TaskSpec
        lineage: BlobId | None = Field(default=None, description="Blob of the manifests that came with it.")

    class Provenance(Plain):
        """Where it came from, and when."""

        source: str = Field(description="What it was imported from, for people.")
        imported_at: datetime

    kind: ClassVar[str] = "import"
    content: Content
    provenance: Provenance


class ModelRef(Plain):
    """A model that can generate: a base model, with or without an adapter."""

    base: BaseId
    adapter: AdapterId | None = None
