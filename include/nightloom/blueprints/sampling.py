"""Draw: the trials of a blueprint, drawn from a recipe by grid or by seeded chance before anything trains."""

import math
from collections.abc import Iterator, Mapping
from itertools import product
from random import Random
from typing import Any

from nightloom.artifacts.blueprints import TrialPlan
from nightloom.recipes.training import Range, Train, Trials

_FIELDS = ("trainer", "method", "model", "lora", "settings", "early_stopping")


def draw_trials(train: Train) -> tuple[TrialPlan, ...]:
    """Return the trials that a recipe asks for: each draw once with each seed; the same recipe gives the same trials.

    Args:
        train: The recipe's section; without `trials` it is one trial.
    """
    draws = _draw(train.trials, train.seed) if train.trials else iter([{}])
    seeds = (train.trials.seeds if train.trials else ()) or (train.seed,)
    plain = train.model_dump(include=set(_FIELDS))
    plans = (TrialPlan.model_validate({**_placed(plain, draw), "seed": seed}) for draw in draws for seed in seeds)
    # A random search may draw the same twice.
    return tuple({plan.model_dump_json(): plan for plan in plans}.values())


def _draw(trials: Trials, seed: int) -> Iterator[Mapping[str, Any]]:
    names = sorted(trials.over)
    if trials.search == "grid":
        values = [_list_values(trials.over[name]) for name in names]
        yield from (dict(zip(names, one, strict=True)) for one in product(*values))
        return
    random = Random(seed)  # noqa: S311  # to be drawn again, not to be secret
    for _ in range(trials.count):
        yield {name: _draw_value(random, trials.over[name]) for name in names}


def _list_values(over: tuple[Any, ...] | Range) -> tuple[Any, ...]:
    return () if isinstance(over, Range) else over  # the recipe's schema lets no range into a grid


def _draw_value(random: Random, over: tuple[Any, ...] | Range) -> Any:
    if not isinstance(over, Range):
        return over[random.randrange(len(over))]
    if over.log:
        value = math.exp(random.uniform(math.log(over.low), math.log(over.high)))
    else:
        value = random.uniform(over.low, over.high)
    # Six digits are enough to tell draws apart, and one number on every machine.
    return round(value) if over.whole else float(f"{value:.6g}")


def _placed(plain: dict[str, Any], draw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a recipe with those of a draw in their places."""
    placed = dict(plain)
    for name, value in draw.items():
        section, _, setting = name.partition(".")
        placed[section] = {**(placed[section] or {}), setting: value} if setting else value
    return placed
