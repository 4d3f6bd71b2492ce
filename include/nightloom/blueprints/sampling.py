"""Sampling: the configurations of a hyperparameter search, by grid or by seeded random search."""

import math
from collections.abc import Iterator, Mapping
from itertools import product
from random import Random
from typing import Any

from nightloom.artifacts.blueprints import TrialPlan
from nightloom.recipes.training import Range, Train, Trials

_FIELDS = ("trainer", "method", "model", "lora", "settings", "early_stopping")


def sample_trials(train: Train) -> tuple[TrialPlan, ...]:
    """Return the trials of a recipe, one for each configuration and seed. Equal recipes give equal trials.

    Args:
        train: The recipe's `train` section; without `trials` there is one trial.
    """
    configurations = _sample(train.trials, train.seed) if train.trials else iter([{}])
    seeds = (train.trials.seeds if train.trials else ()) or (train.seed,)
    plain = train.model_dump(include=set(_FIELDS))
    plans = (
        TrialPlan.model_validate({**_apply(plain, configuration), "seed": seed})
        for configuration in configurations
        for seed in seeds
    )
    # A random search may sample the same configuration twice.
    return tuple({plan.model_dump_json(): plan for plan in plans}.values())


def _sample(trials: Trials, seed: int) -> Iterator[Mapping[str, Any]]:
    names = sorted(trials.over)
    if trials.search == "grid":
        values = [_list_values(trials.over[name]) for name in names]
        yield from (dict(zip(names, one, strict=True)) for one in product(*values))
        return
    random = Random(seed)  # noqa: S311  # reproducible, not secret
    for _ in range(trials.count):
        yield {name: _sample_value(random, trials.over[name]) for name in names}


def _list_values(over: tuple[Any, ...] | Range) -> tuple[Any, ...]:
    return () if isinstance(over, Range) else over  # the recipe's schema lets no range into a grid


def _sample_value(random: Random, over: tuple[Any, ...] | Range) -> Any:
    if not isinstance(over, Range):
        return over[random.randrange(len(over))]
    if over.log:
        value = math.exp(random.uniform(math.log(over.low), math.log(over.high)))
    else:
        value = random.uniform(over.low, over.high)
    # Rounded so that every machine samples the same number.
    return round(value) if over.whole else float(f"{value:.6g}")


def _apply(plain: dict[str, Any], configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a recipe with those of a configuration in place of them."""
    applied = dict(plain)
    for name, value in configuration.items():
        section, _, setting = name.partition(".")
        applied[section] = {**(applied[section] or {}), setting: value} if setting else value
    return applied
