"""Training section of a recipe: hyperparameters, trials, pruning, early stopping and budget."""

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
"""Settings of SFTConfig that Nightloom sets itself: where files are written, what they contain, what is learned."""

Seed = Annotated[int, Field(ge=0, lt=2**32)]
"""A seed that numpy accepts."""


class EarlyStopping(Plain):
    """Early stopping: training ends when the held-out loss stops falling, and the best weights are kept."""

    every: float = Field(default=0.1, gt=0, le=0.5, description="Share of the training between two evaluations.")
    patience: int = Field(
        default=3,
        ge=1,
        description="Number of evaluations in a row without a lower held-out loss after which training ends.",
    )


class Budget(Plain):
    """Limits on what one blueprint may spend on training. Training stops before a limit is exceeded."""

    gpu_minutes: float | None = Field(
        default=None, gt=0, description="Device minutes of all trials together, or None for no limit."
    )
    cost: float | None = Field(
        default=None,
        gt=0,
        description="Cost of all trials together, by the hourly prices in NIGHTLOOM_PRICES, or None for no limit.",
    )

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.gpu_minutes is None and self.cost is None:
            msg = "the budget sets no limit; write `gpu_minutes`, `cost`, or both"
            raise ValueError(msg)
        return self


class Pruning(Plain):
    """Successive halving: each rung ranks the trials by held-out loss, and only the best continue."""

    rungs: tuple[float, ...] = Field(
        default=(0.25, 0.5),
        min_length=1,
        description="Shares of the training at which trials are ranked, in rising order.",
    )
    keep: float = Field(
        default=0.5, gt=0, lt=1, description="Share of the configurations that survives each rung, rounded up."
    )

    @field_validator("rungs")
    @classmethod
    def _rise(cls, rungs: tuple[float, ...]) -> tuple[float, ...]:
        if list(rungs) != sorted(set(rungs)) or not 0 < rungs[0] <= rungs[-1] < 1:
            msg = "rungs must rise and lie between 0 and 1; write shares of the training, such as `[0.25, 0.5]`"
            raise ValueError(msg)
        return rungs

    def count_kept(self, configurations: int) -> int:
        """Return how many of these configurations survive a rung: at least one."""
        # Exact decimal arithmetic: as a float, 0.07 times 100 is a little more than 7, which would round up to 8.
        return math.ceil(Fraction(str(self.keep)) * configurations)


class Range(Plain):
    """Range of numbers from which a random search draws."""

    low: float = Field(description="Smallest number.")
    high: float = Field(description="Largest number.")
    log: bool = Field(default=False, description="Draw uniformly on a logarithmic scale, as for learning rates.")
    whole: bool = Field(default=False, description="Draw whole numbers only.")

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.low >= self.high or (self.log and self.low <= 0):
            msg = "the range is empty, or has no logarithm; write a `low` below `high`, and above 0 with `log`"
            raise ValueError(msg)
        return self


def _refuse_undrawable(section: str, setting: str, value: Any) -> None:
    """Check a value of Nightloom's own settings. TRL and peft check theirs.

    Raises:
        ValueError: The setting cannot have this value.
    """
    if section == "method" and value not in ("lora", "full"):
        msg = f"`method` cannot be {value!r}; write `lora` or `full`"
        raise ValueError(msg)
    if section != "early_stopping":
        return
    try:
        EarlyStopping.model_validate({setting: value})
    except ValidationError as error:
        msg = f"`early_stopping.{setting}` cannot be {value!r}; write a value that `train.early_stopping` allows"
        raise ValueError(msg) from error


MOST_TRIALS = 1000
"""Most trials of a blueprint: Airflow maps a task over 1024 items at most."""


class Trials(Plain):
    """Hyperparameter search: trials are drawn when the blueprint is compiled; the lowest held-out loss wins."""

    search: Literal["grid", "random"] = Field(
        default="grid", description="`grid` trains every combination; `random` draws `count` configurations."
    )
    over: dict[str, tuple[Any, ...] | Range] = Field(
        default_factory=dict,
        description="Values or range of each hyperparameter, by its path such as `settings.learning_rate` or `lora.r`.",
    )
    count: int = Field(default=8, ge=1, le=MOST_TRIALS, description="Number of configurations of a random search.")
    seeds: tuple[Seed, ...] = Field(
        default=(),
        description="Seeds with which each configuration is trained; configurations are ranked by the mean of their "
        "seeds. Empty for `train.seed` alone.",
    )
    pruning: Pruning | None = Field(
        default=None, description="Which trials end early, or None if every trial is trained to the end."
    )

    @field_validator("over")
    @classmethod
    def _can_be_drawn(cls, over: dict[str, tuple[Any, ...] | Range]) -> dict[str, tuple[Any, ...] | Range]:
        for name, values in over.items():
            section, _, setting = name.partition(".")
            if (section not in ("settings", "lora", "model", "early_stopping") or not setting) and name != "method":
                msg = f"{name!r} is not a hyperparameter; write a path such as `settings.learning_rate` or `lora.r`"
                raise ValueError(msg)
            if values == ():
                msg = f"`{name}` has no values; write those to try"
                raise ValueError(msg)
            for value in (values.low, values.high) if isinstance(values, Range) else values:
                _refuse_undrawable(section, setting, value)
        return over

    @model_validator(mode="after")
    def _ranges_need_chance(self) -> Self:
        ranges = [name for name, values in self.over.items() if isinstance(values, Range)]
        if self.search == "grid" and ranges:
            msg = f"`{ranges[0]}` is a range, which needs `search: random`; write a list of values, or `search: random`"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _are_not_too_many(self) -> Self:
        listed = math.prod(len(values) for values in self.over.values() if not isinstance(values, Range))
        count = (listed if self.search == "grid" else self.count) * max(1, len(self.seeds))
        if count > MOST_TRIALS:
            msg = f"the search has {count} trials, more than {MOST_TRIALS}; write fewer values or seeds"
            raise ValueError(msg)
        return self


class Train(Plain):
    """How the adapter is trained."""

    trainer: Literal["trl", "dummy"] = Field(
        default="trl", description="`trl` for TRL's SFTTrainer; `dummy` trains instantly, for trying out a recipe."
    )
    base: str = Field(
        default="starter",
        description="Base model: `starter`, a local folder, `s3://bucket/prefix/`, or `org/name@revision` of the Hub.",
    )
    method: Literal["lora", "full"] = Field(
        default="lora", description="`lora` trains an adapter; `full` trains all weights."
    )
    model: dict[str, Any] = Field(
        default_factory=dict,
        description="How the base model is loaded: `quantization`, `attn_implementation`, `use_kernels`, `dtype`.",
    )
    lora: dict[str, Any] = Field(
        default_factory=dict, description="Settings of peft's LoraConfig, by their names there."
    )
    settings: dict[str, Any] = Field(
        default_factory=dict, description="Settings of TRL's SFTConfig, by their names there."
    )
    early_stopping: EarlyStopping | None = Field(
        default=None, description="When to stop early by the held-out loss, or None to train to the end."
    )
    trials: Trials | None = Field(default=None, description="Hyperparameter search, or None for one trial.")
    budget: Budget | None = Field(default=None, description="Limits on training time and cost, or None for no limit.")
    seed: Seed = Field(default=20, description="Seed of training and of the hyperparameter search.")
