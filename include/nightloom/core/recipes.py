"""Recipes: what a team writes to have one model kept fresh. The schema; `recipe_check` reads files against it."""

import math
from datetime import time
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from nightloom.core.manifests import Plain
from nightloom.core.recipe_sources import Name, Source, SqlSource

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


class Canaries(Plain):
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
    suite: str | None = Field(
        default=None,
        description="A Great Expectations suite under include/expectations, besides the standard one.",
    )
    limits: Limits = Field(default_factory=Limits)
    split: Split = Field(default_factory=Split)
    canaries: Canaries | None = None


class EvalSet(Plain):
    """Items with a right answer, never trained on."""

    name: Name
    source: Source
    columns: Columns


RESERVED_SETTINGS = (
    *("output_dir", "use_cpu", "seed", "data_seed", "save_strategy", "report_to", "disable_tqdm", "push_to_hub"),
    *("trust_remote_code", "eval_strategy", "logging_strategy", "logging_first_step"),
    *("chat_template_path", "assistant_only_loss", "completion_only_loss"),
    *("save_only_model", "save_total_limit", "load_best_model_at_end", "restore_callback_states_from_checkpoint"),
    *("ignore_data_skip", "logging_nan_inf_filter"),
)
"""What training gives SFTConfig itself: it decides where files go, what is in them, and what is learned."""


class EarlyStopping(Plain):
    """Training ends when the loss on the selection split falls no more, and the best weights are kept."""

    every: float = Field(default=0.1, gt=0, le=0.5, description="Share of the training between two looks at it.")
    patience: int = Field(default=3, ge=1, description="Looks in a row without a lower loss.")


class Budget(Plain):
    """What training may take for one blueprint; it stops before more is spent."""

    gpu_minutes: float | None = Field(default=None, gt=0, description="Minutes of a device, all trials together.")
    cost: float | None = Field(default=None, gt=0, description="Money, by NIGHTLOOM_PRICES an hour of the device.")

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.gpu_minutes is None and self.cost is None:
            msg = "a budget names gpu_minutes, or cost, or both"
            raise ValueError(msg)
        return self


class Pruning(Plain):
    """Successive halving: at each rung the trials are ranked on the selection split, and the best go on."""

    rungs: tuple[float, ...] = Field(default=(0.25, 0.5), min_length=1, description="Shares of the training.")
    keep: float = Field(default=0.5, gt=0, lt=1, description="Share of the draws that goes on, rounded up.")

    @field_validator("rungs")
    @classmethod
    def _rise(cls, rungs: tuple[float, ...]) -> tuple[float, ...]:
        if list(rungs) != sorted(set(rungs)) or not 0 < rungs[0] <= rungs[-1] < 1:
            msg = "rungs are shares of the training that rise, between 0 and 1, such as [0.25, 0.5]"
            raise ValueError(msg)
        return rungs


class Range(Plain):
    """Numbers from which a random search draws."""

    low: float
    high: float
    log: bool = Field(default=False, description="Even on the logarithm: for learning rates.")
    whole: bool = Field(default=False, description="Whole numbers only.")

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.low >= self.high or (self.log and self.low <= 0):
            msg = "low must be below high, and above 0 with log"
            raise ValueError(msg)
        return self


MOST_TRIALS = 1000
"""Of one blueprint: an Airflow task is mapped over 1024 items at most."""


class Trials(Plain):
    """Several trials instead of one: drawn when the blueprint is compiled, the best by the selection split wins."""

    search: Literal["grid", "random"] = "grid"
    over: dict[str, tuple[Any, ...] | Range] = Field(
        default_factory=dict, description="Settings by their place, such as `settings.learning_rate` or `lora.r`."
    )
    count: int = Field(default=8, ge=1, le=MOST_TRIALS, description="How many a random search draws.")
    seeds: tuple[int, ...] = Field(
        default=(), description="Each draw is trained once with each, and ranked by their mean; none: `train.seed`."
    )
    pruning: Pruning | None = None

    @field_validator("over")
    @classmethod
    def _can_be_drawn(cls, over: dict[str, tuple[Any, ...] | Range]) -> dict[str, tuple[Any, ...] | Range]:
        for name, values in over.items():
            section, _, setting = name.partition(".")
            if (section not in ("settings", "lora", "model", "early_stopping") or not setting) and name != "method":
                msg = f"{name!r} is no setting to draw; write its place, such as settings.learning_rate or lora.r"
                raise ValueError(msg)
            if values == ():
                msg = f"{name} lists no value; list those to try"
                raise ValueError(msg)
        return over

    @model_validator(mode="after")
    def _ranges_need_chance(self) -> Self:
        ranges = [name for name, values in self.over.items() if isinstance(values, Range)]
        if self.search == "grid" and ranges:
            msg = f"{ranges[0]} is a range, which only `search: random` draws from; list its values"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _are_not_too_many(self) -> Self:
        listed = math.prod(len(values) for values in self.over.values() if not isinstance(values, Range))
        count = (listed if self.search == "grid" else self.count) * max(1, len(self.seeds))
        if count > MOST_TRIALS:
            msg = f"that makes {count} trials, and Airflow maps at most {MOST_TRIALS}; list fewer values or seeds"
            raise ValueError(msg)
        return self


class Train(Plain):
    """How the adapter is made. `settings` go to TRL's SFTConfig, `lora` to peft's LoraConfig, as they are."""

    trainer: Literal["trl", "dummy"] = "trl"
    base: str = Field(
        default="starter", description="`starter`, a local folder, s3://bucket/prefix/, or org/name@revision of a hub."
    )
    method: Literal["lora", "full"] = "lora"
    model: dict[str, Any] = Field(
        default_factory=dict, description="How the base is loaded: quantization, attn_implementation, use_kernels."
    )
    lora: dict[str, Any] = Field(default_factory=dict)
    settings: dict[str, Any] = Field(default_factory=dict)
    early_stopping: EarlyStopping | None = None
    trials: Trials | None = None
    budget: Budget | None = None
    seed: int = 20


class Evaluate(Plain):
    """What models are compared on."""

    sets: tuple[EvalSet, ...] = Field(min_length=1, description="The first one decides.")
    max_new_tokens: int = Field(default=64, ge=1)
    reference: bool = Field(
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
