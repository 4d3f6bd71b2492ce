"""Recipes: how a team says that its model is to be trained."""

import math
from fractions import Fraction
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from nightloom.core.manifests import Plain

RESERVED_SETTINGS = (
    *("output_dir", "use_cpu", "seed", "data_seed", "save_strategy", "report_to", "disable_tqdm", "push_to_hub"),
    *("trust_remote_code", "eval_strategy", "logging_strategy", "logging_first_step"),
    *("chat_template_path", "assistant_only_loss", "completion_only_loss"),
    *("save_only_model", "save_total_limit", "load_best_model_at_end", "restore_callback_states_from_checkpoint"),
    *("ignore_data_skip", "logging_nan_inf_filter", "auto_find_batch_size", "average_tokens_across_devices"),
)
"""What training gives SFTConfig itself: it decides where files go, what is in them, and what is learned."""

Seed = Annotated[int, Field(ge=0, lt=2**32)]
"""What numpy takes as one."""


class EarlyStopping(Plain):
    """Training ends when the loss on the selection split falls no more, and the best weights are kept."""

    every: float = Field(default=0.1, gt=0, le=0.5, description="Share of the training between two looks at it.")
    patience: int = Field(default=3, ge=1, description="Looks in a row without a lower loss.")


class Budget(Plain):
    """What training may take for one blueprint; it stops before more is spent."""

    gpu_minutes: float | None = Field(default=None, gt=0, description="Minutes of devices, all trials together.")
    cost: float | None = Field(default=None, gt=0, description="Money, by NIGHTLOOM_PRICES an hour of the device.")

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.gpu_minutes is None and self.cost is None:
            msg = "it limits nothing; write `gpu_minutes`, or `cost`, or both"
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
            msg = "they do not rise, or are not between 0 and 1; write shares of the training, such as `[0.25, 0.5]`"
            raise ValueError(msg)
        return rungs

    def count_kept(self, draws: int) -> int:
        """Return how many of some draws go on, at least one."""
        # As the share is written: 0.07 of 100 is 7, though not in binary.
        return math.ceil(Fraction(str(self.keep)) * draws)


class Range(Plain):
    """Numbers from which a random search draws."""

    low: float
    high: float
    log: bool = Field(default=False, description="Even on the logarithm: for learning rates.")
    whole: bool = Field(default=False, description="Whole numbers only.")

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.low >= self.high or (self.log and self.low <= 0):
            msg = "it is empty, or begins at or below 0 with log; write a `low` below `high`, and above 0 with log"
            raise ValueError(msg)
        return self


def _refuse_undrawable(section: str, setting: str, value: Any) -> None:
    """Check a value of what is our own; those of TRL's and peft's settings are theirs."""
    if section == "method" and value not in ("lora", "full"):
        msg = f"method cannot be {value!r}; write lora or full"
        raise ValueError(msg)
    if section != "early_stopping":
        return
    try:
        EarlyStopping.model_validate({setting: value})
    except ValidationError as error:
        msg = f"early_stopping.{setting} cannot be {value!r}; write what train.early_stopping may hold"
        raise ValueError(msg) from error


MOST_TRIALS = 1000
"""Of one blueprint: an Airflow task is mapped over 1024 items at most."""


class Trials(Plain):
    """Several trials instead of one: drawn when the blueprint is compiled, the best by the selection split wins."""

    search: Literal["grid", "random"] = "grid"
    over: dict[str, tuple[Any, ...] | Range] = Field(
        default_factory=dict, description="Settings by their place, such as `settings.learning_rate` or `lora.r`."
    )
    count: int = Field(default=8, ge=1, le=MOST_TRIALS, description="How many a random search draws.")
    seeds: tuple[Seed, ...] = Field(
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
            for value in (values.low, values.high) if isinstance(values, Range) else values:
                _refuse_undrawable(section, setting, value)
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
    seed: Seed = 20
