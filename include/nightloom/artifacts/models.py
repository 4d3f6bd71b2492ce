"""Model manifests: base models, adapters, and the task of a model."""

from datetime import datetime
from operator import not_
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, JsonValue

from nightloom.artifacts.ids import AdapterId, BaseId, BlueprintId, ImportId, PromptId
from nightloom.core.manifests import Artifact, CachedResult, Plain
from nightloom.core.names import BlobId
from nightloom.recipes.preparation import Action
from nightloom.recipes.schema import Task


class ModelFile(Plain):
    """One file of a model folder."""

    path: str = Field(description="Path within the folder.")
    sha256: BlobId
    size_bytes: int


class BaseModelContent(Plain):
    """A base model's folder: weights, configuration, tokenizer, chat template."""

    files: tuple[ModelFile, ...] = Field(description="Sorted by path.")


class BaseModelProvenance(Plain):
    """The first source of the model, and its license."""

    source: str = Field(description="The recipe's name for it: `starter`, a folder, s3://…, or org/name@revision.")
    license: str | None = Field(default=None, description="License in the folder's model card, or None.")


class BaseModelManifest(Artifact[BaseId]):
    """A frozen base model."""

    kind: ClassVar[str] = "base"
    content: BaseModelContent
    provenance: BaseModelProvenance


class Starter(CachedResult):
    """Cached starter: the base model that was made from the starter's settings."""

    class Key(Plain):
        """All inputs of the starter."""

        settings: dict[str, Any]
        code: str
        packages: dict[str, str]

    class Result(Plain):
        """The base model, and how training went."""

        base: BaseId
        seconds: float
        loss: float

    kind: ClassVar[str] = "starter"
    key: Key
    result: Result


class Download(CachedResult):
    """Cached download: the base model at a remote location, so that it is not fetched every night."""

    class Key(Plain):
        """A location and its revision."""

        source: str = Field(description="s3://bucket/prefix/, or org/name on a hub.")
        revision: str = Field(description="Commit on a hub, or digest of an S3 listing with sizes and ETags.")

    class Result(Plain):
        """The downloaded base model."""

        base: BaseId

    kind: ClassVar[str] = "download"
    key: Key
    result: Result


class Rendering(CachedResult):
    """Cached digests of a base model's tokenizer and chat template, as an interpreter loads them."""

    class Key(Plain):
        """The base model, and the code that loads it."""

        base: BaseId
        code: str
        packages: dict[str, str]

    class Result(Plain):
        """The digests."""

        tokenizer: str | None = Field(description="Digest of the tokenizer, or None if the model has none.")
        template: str | None = Field(description="Digest of the chat template's text, or None if the model has none.")

    kind: ClassVar[str] = "rendering"
    key: Key
    result: Result


class Checks(Plain):
    """Cleaning and scanning of a text before a model is trained on it or asked about it."""

    max_characters: int = Field(description="Longest text, as received, that is accepted.")
    operations: dict[str, int] = Field(description="Normalising operations, with versions.")
    actions: dict[str, Action] = Field(description="Action for a text in which a scanner finds something, by scanner.")
    scanners: dict[str, int] = Field(description="Versions of the scanners that run; the others are `keep`.")


TemplateKwargs = Annotated[
    dict[str, JsonValue],
    # Left out when empty, so that ids stay as they were before templates had arguments.
    Field(exclude_if=not_, description="Arguments of the chat template, such as `enable_thinking`."),
]


class TaskSpec(Plain):
    """The prompt and the form of the answer: the same in training, evaluation, batch and serving."""

    prompt: PromptId = Field(description="Id of the prompt version.")
    output: Literal["json", "text"]
    answer: dict[str, tuple[str, ...] | None] = Field(
        description="Fields with their allowed values, or None for free text."
    )
    field_order: tuple[str, ...]
    chat_template_kwargs: TemplateKwargs = Field(default_factory=dict)


def specify_task(task: Task, prompt_id: PromptId) -> TaskSpec:
    """Return the specification of a recipe's task.

    Args:
        task: The recipe's task.
        prompt_id: Id of the prompt version that the task names.
    """
    return TaskSpec(
        prompt=prompt_id,
        output=task.output,
        answer={name: field.one_of for name, field in task.answer.items()},
        field_order=tuple(task.answer),
        chat_template_kwargs=task.chat_template_kwargs,
    )


class TaskRendering(CachedResult):
    """Cached check: a base model's chat template renders a task the same when trained and when asked."""

    class Key(Plain):
        """The base model, the task, and the code that renders."""

        base: BaseId
        task: TaskSpec
        code: str
        packages: dict[str, str]

    class Result(Plain):
        """Tokens that the base model can hold, and those that the prompt takes."""

        context: int
        prompt_tokens: int = Field(description="Tokens up to the answer, for an empty text.")
        changes: tuple[str, ...] = Field(default=(), description="What the chat template changes or leaves out.")

    kind: ClassVar[str] = "task_rendering"
    key: Key
    result: Result


class AdapterContent(Plain):
    """Weights on top of a base model."""

    base: BaseId
    method: Literal["lora", "full"]
    files: tuple[ModelFile, ...] = Field(description="Sorted by path; weights are safetensors only.")


class AdapterProvenance(Plain):
    """The first origin of the weights. Their task is in a recipe's verdict or import."""

    blueprint: BlueprintId | None = Field(
        default=None, description="Blueprint, or None if the adapter was not trained here."
    )
    trial: int | None = Field(default=None, description="Number of the blueprint's trial, or None.")
    source: str | None = Field(default=None, description="Source of an import, or None.")


class Adapter(Artifact[AdapterId]):
    """Frozen fine-tuned weights. With method `full` the folder has all weights and replaces the base model."""

    kind: ClassVar[str] = "adapter"
    content: AdapterContent
    provenance: AdapterProvenance


class Import(Artifact[ImportId]):
    """The import of an adapter into a recipe, with its task; never deleted."""

    class Content(Plain):
        """The recipe, its adapter and the task."""

        recipe: str
        adapter: AdapterId
        task: TaskSpec
        lineage: BlobId | None = Field(default=None, description="Blob of the manifests that came with it, or None.")

    class Provenance(Plain):
        """The source and the time of the import."""

        source: str = Field(description="Source of the import, for people.")
        imported_at: datetime

    kind: ClassVar[str] = "import"
    content: Content
    provenance: Provenance


class ModelRef(Plain):
    """A model that can generate: a base model, with or without an adapter."""

    base: BaseId
    adapter: AdapterId | None = None
