"""Schema: the fields of a recipe. `recipes.check` reads files against it."""

from datetime import time
from typing import Literal, TypeVar

from pydantic import Field, JsonValue, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from nightloom.core.labels import tidy_label
from nightloom.core.manifests import Plain
from nightloom.recipes.preparation import Prepare, Share
from nightloom.recipes.sources import Name, Source, SqlSource, TimeZone, fill_in_zone, lacks_data_folder
from nightloom.recipes.training import Train

P = TypeVar("P", bound=Plain | None)


class Columns(Plain):
    """The columns of a source, by what they hold."""

    key: str | None = Field(
        default=None,
        description="Column of the stable row key, or None if a row is identified by a digest of its content.",
    )
    updated_at: str | None = Field(
        default=None,
        description="Column of the time at which a version of the row was written, or None if the source has none. "
        "The newest version of a key is used.",
    )
    deleted_at: str | None = Field(
        default=None,
        description="Column of the time at which the row was deleted, or None if the source removes deleted rows. "
        "An empty value means that the row exists.",
    )
    chat: str | None = Field(
        default=None,
        description="Column of messages, or the format `alpaca` or `prompt_completion`; None if rows hold plain text.",
    )
    text: str | None = Field(
        default=None,
        validate_default=True,
        description="Column of the text that the model reads, or None if `chat` is set.",
    )
    slice: str | None = Field(
        default=None, description="Column of a group that also gets its own scores, or None for no groups."
    )

    @field_validator("text")
    @classmethod
    def _is_text_or_chat(cls, text: str | None, info: ValidationInfo) -> str | None:
        if text is None and info.data.get("chat", "") is None:
            kind: Literal["missing"] = "missing"
            raise PydanticCustomError(kind, "set `text` or `chat`")
        if text is not None and info.data.get("chat") is not None:
            msg = "`text` and `chat` are both set; remove one of them"
            raise ValueError(msg)
        return text


class AnswerField(Plain):
    """One field of the model's answer, and the column of its reference value."""

    column: str | None = Field(
        default=None,
        description="Column of the reference value, or None for a conversation, where the last message is the answer.",
    )
    one_of: tuple[str, ...] | None = Field(
        default=None,
        description="The allowed values, or None if every value is allowed. Values are compared in NFC, with single "
        "spaces and without invisible characters.",
    )

    @field_validator("one_of")
    @classmethod
    def _are_labels(cls, one_of: tuple[str, ...] | None) -> tuple[str, ...] | None:
        labels = None if one_of is None else tuple(map(tidy_label, one_of))
        if labels and "" in labels:
            msg = "a value is blank; remove it"
            raise ValueError(msg)
        if labels and len(set(labels)) < len(labels):
            double = next(label for label in labels if labels.count(label) > 1)
            msg = f"{double!r} is listed twice; keep one"
            raise ValueError(msg)
        return labels


class Task(Plain):
    """What the model reads and what it answers."""

    columns: Columns
    answer: dict[Name, AnswerField] = Field(
        min_length=1, description="Fields of the answer, in the order in which the model writes them."
    )
    output: Literal["json", "text"] = Field(
        default="json",
        description="Format of the answer: `json` for an object of all fields, `text` for the text of the only field.",
    )
    primary: Name = Field(description="Answer field on which models are compared.")
    prompt: str = Field(
        pattern=r"^[a-z][a-z0-9_]*/[0-9]+$",
        description="Prompt version, `name/number`: the file include/prompts/name/number.yaml.",
    )
    chat_template_kwargs: dict[str, JsonValue] = Field(
        default_factory=dict,
        description="Arguments of the base model's chat template, such as `{enable_thinking: false}`; used wherever "
        "the model is trained or asked.",
    )

    # Validators of fields and not of the model: they run even if another field of the task is wrong.
    @field_validator("output")
    @classmethod
    def _text_is_one_field(cls, output: str, info: ValidationInfo) -> str:
        if output == "text" and len(info.data.get("answer") or "1") != 1:
            msg = "`output: text` needs exactly one answer field; keep one, or write `output: json`"
            raise ValueError(msg)
        return output

    @field_validator("primary")
    @classmethod
    def _primary_is_a_field(cls, primary: str, info: ValidationInfo) -> str:
        answer = info.data.get("answer")
        if answer is not None and primary not in answer:
            msg = f"{primary!r} is not a field of the answer; write one of: {', '.join(answer)}"
            raise ValueError(msg)
        return primary


class EvalSet(Plain):
    """Evaluation items with reference answers. Models are never trained on them."""

    name: Name = Field(description="Name of the set in verdicts and reports.")
    source: Source
    columns: Columns


class Evaluate(Plain):
    """How models are compared."""

    sets: tuple[EvalSet, ...] = Field(min_length=1, description="Eval sets. The verdict is decided on the first one.")
    max_refused: Share = Field(
        default=0.1, description="Refuse the night if more than this share of an eval set's rows cannot be items."
    )
    max_new_tokens: int = Field(default=64, ge=1, description="Most tokens of an answer, for every model.")
    linear_classifier: bool = Field(
        default=True,
        description="Also score a linear classifier (TF-IDF and logistic regression) on the primary field.",
    )


class Gate(Plain):
    """When a candidate becomes the champion."""

    promote_on: Literal["better", "not_worse"] = Field(
        default="better",
        description="`better` promotes a candidate that is significantly better; `not_worse` also one that is within "
        "the margin.",
    )
    margin: float = Field(
        default=0.02, gt=0, lt=1, description="Largest drop of the primary metric that counts as not worse."
    )
    confidence: float = Field(
        default=0.95, gt=0.5, lt=1, description="Confidence level of every interval and comparison."
    )


class Predict(Plain):
    """The night's batch predictions."""

    source: Source
    table: Name | None = Field(
        default=None, description="Table that receives the predictions, or None if they stay in the store."
    )
    connection: Name | None = Field(
        default=None, description="Connection of the table, or None for the connection of the source."
    )
    shard_rows: int = Field(default=200, ge=1, description="Rows of a shard, the unit of work that is never repeated.")
    workers: int = Field(
        default=1, ge=1, le=64, description="Number of workers that share the shards; each takes a slot of pool `gpu`."
    )
    max_new_tokens: int = Field(default=64, ge=1, description="Most tokens of an answer.")

    @property
    def table_connection(self) -> str | None:
        """The connection of the table, or None if predictions are written to no table."""
        if self.table is None:
            return None
        return self.connection or (self.source.connection if isinstance(self.source, SqlSource) else None)


class Alerts(Plain):
    """Where to send alerts about nights that need attention."""

    channel: Literal["log", "slack", "email"] = Field(
        default="log", description="`log` writes alerts to the task's log only; `slack` and `email` also send them."
    )
    connection: Name | None = Field(
        default=None, description="Airflow connection of the channel, or None for Airflow's default."
    )
    to: tuple[str, ...] = Field(default=(), description="Mail addresses, or the Slack channel.")


class Recipe(Plain):
    """One model that is trained, compared and used every night."""

    name: Name = Field(description="Name of the recipe: the name of its file without `.yaml`.")
    description: str = Field(default="", description="What the model does, for people.")
    owner: str = Field(min_length=1, description="Team that is responsible for the model; the owner of its Dags.")
    timezone: TimeZone = Field(
        default="UTC", description="Time zone of nights, schedule and deadline, and of times in sources without one."
    )
    schedule: str = Field(default="0 1 * * *", description="Cron expression of the nightly start, in the time zone.")
    deadline: time = Field(default=time(7), description="Local time by which the night must have a report.")
    alerts: Alerts = Field(default_factory=Alerts)
    access: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Permissions on the recipe's Dags by Airflow role."
    )
    task: Task
    prepare: Prepare
    train: Train = Field(default_factory=Train)
    evaluate: Evaluate
    gate: Gate = Field(default_factory=Gate)
    predict: Predict | None = None

    @property
    def sources(self) -> tuple[Source, ...]:
        """All sources that the recipe reads."""
        planted = (self.prepare.planted_rows.source,) if self.prepare.planted_rows else ()
        batch = (self.predict.source,) if self.predict else ()
        return (self.prepare.source, *planted, *(one.source for one in self.evaluate.sets), *batch)

    @property
    def missing_data(self) -> str | None:
        """What to set before a night can run, or None if nothing is missing: the folder of `{data}` in its paths."""
        if not any(map(lacks_data_folder, self.sources)):
            return None
        return (
            f"no data folder is set for its paths with {{data}}; run `make nightly RECIPE={self.name} DATA=folder`, "
            "or set NIGHTLOOM_DATA_DIR"
        )

    @field_validator("prepare", "evaluate", "predict")
    @classmethod
    def _sources_have_a_time_zone(cls, part: P, info: ValidationInfo) -> P:
        filled: P = fill_in_zone(part, info.data.get("timezone", "UTC"))
        return filled
