"""Recipes: what a team writes to have one model kept fresh. The schema; `recipe_check` reads files against it."""

from datetime import time
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from nightloom.core.manifests import Plain
from nightloom.recipes.sources import Name, Source, SqlSource
from nightloom.recipes.training import Train

Share = Annotated[float, Field(ge=0, lt=1)]


class Columns(Plain):
    """Which columns of a source hold what."""

    key: str | None = Field(default=None, description="Names a row over nights; none: the row's content names it.")
    updated_at: str | None = Field(
        default=None, description="When this version of the row was written; the newest of a key is used."
    )
    deleted_at: str | None = Field(
        default=None, description="When the row was deleted, where the source keeps it; empty: it was not."
    )
    chat: str | None = Field(
        default=None,
        description="Conversations: a column of messages, or the formats `alpaca` and `prompt_completion`.",
    )
    text: str | None = Field(
        default=None, validate_default=True, description="What the model reads; for conversations, give `chat` instead."
    )
    slice: str | None = Field(default=None, description="A group whose score is also given apart.")

    @field_validator("text")
    @classmethod
    def _is_text_or_chat(cls, text: str | None, info: ValidationInfo) -> str | None:
        if text is None and info.data.get("chat", "") is None:
            kind: Literal["missing"] = "missing"
            raise PydanticCustomError(kind, "give `text` or `chat`")
        if text is not None and info.data.get("chat") is not None:
            msg = "`text` and `chat` are both given; remove one of them"
            raise ValueError(msg)
        return text


class AnswerField(Plain):
    """One field of the model's answer, and the column that holds the right one."""

    column: str | None = Field(default=None, description="Where it stands; of conversations, it is the last message.")
    one_of: tuple[str, ...] | None = Field(default=None, description="The only values it may have.")


class Task(Plain):
    """What the model reads and what it answers."""

    columns: Columns
    answer: dict[Name, AnswerField] = Field(min_length=1, description="Fields of the answer, in their order.")
    output: Literal["json", "text"] = Field(
        default="json", description="A JSON object of the fields, or the one field's text alone."
    )
    primary: Name = Field(description="The field on which models are compared.")
    prompt: str = Field(
        pattern=r"^[a-z][a-z0-9_]*/[0-9]+$", description="Prompt version: a file under include/prompts."
    )

    # Validators of fields, not of the whole: they speak even when another field of the task is wrong.
    @field_validator("output")
    @classmethod
    def _text_is_one_field(cls, output: str, info: ValidationInfo) -> str:
        if output == "text" and len(info.data.get("answer") or "1") != 1:
            msg = "output: text answers with exactly one field; leave one, or write `output: json`"
            raise ValueError(msg)
        return output

    @field_validator("primary")
    @classmethod
    def _primary_is_a_field(cls, primary: str, info: ValidationInfo) -> str:
        answer = info.data.get("answer")
        if answer is not None and primary not in answer:
            msg = f"primary {primary!r} is not a field of the answer; write one of: {', '.join(answer)}"
            raise ValueError(msg)
        return primary


Action = Literal["redact", "quarantine", "keep"]
"""What becomes of a text in which a scanner finds something."""


class Normalise(Plain):
    """Which operations change how a text is written, in the order in which they are done."""

    fix_encoding: bool = Field(default=True, description="UTF-8 that was read as another encoding is read again.")
    html: bool = Field(default=False, description="The text that an HTML message shows takes its place.")
    control_characters: bool = Field(default=True, description="Taken out, but for tabs and line ends.")
    invisible_characters: bool = Field(default=True, description="Taken out, but for those that join others.")
    nfc: bool = Field(default=True, description="A letter and its marks become one character (Unicode NFC).")
    whitespace: bool = Field(default=True, description="One kind of blank and line end, at most one blank line.")

    @property
    def operations(self) -> tuple[str, ...]:
        """The names of those that are on."""
        return tuple(name for name in type(self).model_fields if getattr(self, name))


class Split(Plain):
    """Shares of clusters held out of training."""

    selection: Share = Field(default=0.05, description="For choosing between trials.")
    test: Share = Field(default=0.05, validate_default=True, description="Never trained on, nor chosen by.")

    @field_validator("test")
    @classmethod
    def _leaves_training(cls, test: float, info: ValidationInfo) -> float:
        if info.data.get("selection", 0) + test >= 0.9:
            msg = "selection and test together leave less than a tenth for training; make them smaller"
            raise ValueError(msg)
        return test


class PlantedRows(Plain):
    """A table of rows whose outcome is known beforehand: the report measures every check against it."""

    source: Source
    key: str
    kind: str
    outcome: str
    rule: str


class Volume(Plain):
    """How far the rows of a night may be from what is usual."""

    nights: int = Field(default=7, ge=3, le=60, description="How many of the last nights tell what is usual.")
    at_least: float | None = Field(default=0.5, ge=0, le=1, description="Times the median of those nights.")
    at_most: float | None = Field(default=3.0, ge=1, description="Times the median of those nights.")


class Limits(Plain):
    """How far a night's batch may be from the nights before; beyond, the night is refused."""

    volume: Volume | None = Field(default_factory=Volume, description="Of the rows in the window.")
    new_rows: Volume | None = Field(
        default=None, description="Of the rows from the night's cut; for sources that rest on no day of the week."
    )
    label_drift: float | None = Field(
        default=0.25,
        gt=0,
        le=1,
        description="Total variation distance of a closed answer field from the last snapshot.",
    )
    text_length_drift: float | None = Field(
        default=0.25, gt=0, le=1, description="The same of the lengths of texts, in powers of two."
    )
    freshness_hours: float | None = Field(
        default=None, gt=0, description="How long before the cut the newest row may be of."
    )


class Prepare(Plain):
    """How rows become a snapshot."""

    source: Source
    window_days: int = Field(default=30, ge=1, description="How many days before the cut belong to the snapshot.")
    min_rows: int = Field(default=1, ge=1, description="Fewer rows than this stop the night.")
    max_characters: int = Field(default=2000, ge=1, description="A longer text goes to quarantine.")
    token_budget: int | None = Field(
        default=None,
        ge=1,
        description="Tokens of a whole example, prompt and answer included; none: those of the base model's context.",
    )
    normalise: Normalise = Field(default_factory=Normalise)
    near_duplicate_similarity: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="Jaccard similarity of character 5-grams from which two texts are one.",
    )
    eval_containment: float = Field(
        default=0.7,
        gt=0,
        le=1,
        description="Share of 8-grams of words that a row and an evaluation item have in common, from which it is one.",
    )
    near_duplicates: Literal["merge", "keep"] = Field(
        default="merge", description="keep: one cluster for the split, but every row stays."
    )
    contradictions: Literal["quarantine", "majority"] = Field(
        default="quarantine", description="What becomes of equal texts with different answers."
    )
    pii: Literal["redact", "quarantine", "keep"] = "redact"
    secrets: Literal["quarantine", "keep"] = "quarantine"
    prompt_injections: Literal["quarantine", "keep"] = "quarantine"
    scanners: dict[Name, Action] = Field(
        default_factory=dict,
        description="Scanners that packages add, by name, and what becomes of a text in which they find something.",
    )
    suite: str | None = Field(
        default=None,
        description="A Great Expectations suite under include/expectations, besides the standard one.",
    )
    limits: Limits = Field(default_factory=Limits)
    split: Split = Field(default_factory=Split)
    planted_rows: PlantedRows | None = None

    @property
    def actions(self) -> dict[str, Action]:
        """What becomes of a text in which a scanner finds something, by the scanner's name: of ours and of others."""
        ours: dict[str, Action] = {
            "pii": self.pii,
            "secret": self.secrets,
            "prompt_injection": self.prompt_injections,
        }
        return ours | self.scanners


class EvalSet(Plain):
    """Items with a right answer, never trained on."""

    name: Name
    source: Source
    columns: Columns


class Evaluate(Plain):
    """What models are compared on."""

    sets: tuple[EvalSet, ...] = Field(min_length=1, description="The first one decides.")
    max_new_tokens: int = Field(default=64, ge=1)
    linear_classifier: bool = Field(
        default=True,
        description="Also score a TF-IDF and logistic-regression classifier on the primary field.",
    )


class Gate(Plain):
    """When a candidate becomes the champion."""

    promote_on: Literal["better", "not_worse"] = "better"
    margin: float = Field(default=0.02, gt=0, lt=1, description="A loss up to this counts as not worse.")
    confidence: float = Field(default=0.95, gt=0.5, lt=1)


class Predict(Plain):
    """The night's batch."""

    source: Source
    table: Name | None = Field(default=None, description="Where predictions go back to.")
    connection: Name | None = Field(default=None, description="Connection of the table; none: the source's.")
    shard_rows: int = Field(default=200, ge=1)
    workers: int = Field(default=1, ge=1, le=64)
    max_new_tokens: int = Field(default=64, ge=1)

    @property
    def table_connection(self) -> str | None:
        """The connection that the table is on; none where predictions go back to no table."""
        if self.table is None:
            return None
        return self.connection or (self.source.connection if isinstance(self.source, SqlSource) else None)


class Alerts(Plain):
    """Who hears of a night that needs a person."""

    channel: Literal["log", "slack", "email"] = "log"
    connection: Name | None = Field(default=None, description="Airflow connection of the channel.")
    to: tuple[str, ...] = Field(default=(), description="Addresses or channel names.")


class Recipe(Plain):
    """One model, kept fresh every night."""

    name: Name
    description: str = ""
    owner: str = Field(min_length=1, description="Team that answers for the model.")
    timezone: str = Field(default="UTC", description="IANA name; a night is a date there.")
    schedule: str = Field(default="0 1 * * *", description="Cron line of the nightly start, in the time zone.")
    deadline: time = Field(default=time(7), description="Local time by which the night must have its report.")
    alerts: Alerts = Field(default_factory=Alerts)
    access: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Airflow role → permissions on the recipe's Dags."
    )
    task: Task
    prepare: Prepare
    train: Train = Field(default_factory=Train)
    evaluate: Evaluate
    gate: Gate = Field(default_factory=Gate)
    predict: Predict | None = None

    @field_validator("timezone")
    @classmethod
    def _is_a_time_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, OSError, ValueError) as error:
            msg = f"{name!r} is not a known time zone; write an IANA name such as Europe/Berlin"
            raise ValueError(msg) from error
        return name
