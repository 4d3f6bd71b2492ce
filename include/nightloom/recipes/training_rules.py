"""Rules of a recipe's training beyond its schema: the base model is pinned, and TRL and peft can use the settings."""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nightloom.recipes.documents import Place
from nightloom.recipes.findings import Finding, Findings, Rule, value_at
from nightloom.recipes.training import RESERVED_SETTINGS

_POSITIVE: dict[tuple[str, str], Any] = {
    **dict.fromkeys((("settings", "per_device_train_batch_size"), ("settings", "gradient_accumulation_steps")), int),
    **dict.fromkeys((("settings", "num_train_epochs"), ("settings", "learning_rate")), int | float),
    ("lora", "r"): int,
}
"""Settings without which nothing is trained, and what they are counted in."""
_BASES = ("starter", "dummy")
_PLACED = re.compile(r"/.*|s3://[^/]+(/.*)?|\w[\w.-]*/\w[\w.-]*@[\w./-]+", re.DOTALL)
"""Base models that are the same wherever a night is run: a whole path, a prefix, a model of the hub at a revision."""


def base_model_is_pinned(recipe: dict[str, Any], _path: Path) -> Findings:
    """The base model is the same one wherever and whenever the night is run: a hub's model has a revision."""
    base = value_at(recipe, "train", "base")
    if not isinstance(base, str) or base in _BASES or _PLACED.fullmatch(base) or _is_folder(base):
        return
    place: Place = ("train", "base")
    if re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", base):
        remedy = f"write `{base}@` and a commit from the model's page, or of a folder its whole path from `/`"
        yield Finding(place, f"{base[:60]!r} is no folder here, and as a model of the hub it lacks a revision", remedy)
        return
    close = get_close_matches(base, _BASES, n=1)
    remedy = "a folder's whole path from `/`, `s3://bucket/prefix/`, or `org/name@revision` of a hub"
    remedy = f"write `{close[0]}`, or {remedy}" if close else f"write `starter`, {remedy}"
    yield Finding(place, f"{base[:60]!r} is no base model that is known here", remedy)


def settings_have_known_names(recipe: dict[str, Any], _path: Path) -> Findings:
    """What is passed on to TRL and peft are settings that they have: a typo would cost a night."""
    libraries = {"settings": (_trl_names(), "SFTConfig"), "lora": (_peft_names(), "LoraConfig")}
    for place, (group, name), _ in _settings(recipe):
        known, about = libraries.get(group, (frozenset(), ""))
        if group == "settings" and name in RESERVED_SETTINGS:
            yield Finding(place, f"`{name}` is set by Nightloom itself", "remove it")
        elif known and name not in known:
            close = get_close_matches(name, known, n=1)
            remedy = f"write `{close[0]}`" if close else f"the documentation of {about} lists what there is"
            yield Finding(place, f"`{name}` is not a setting of {about}", remedy)


def settings_let_training_begin(recipe: dict[str, Any], _path: Path) -> Findings:
    """Without an example in a batch, a step, or a rank there is no training; the libraries fail on it anyhow."""
    for place, setting, values in _settings(recipe):
        if (kind := _POSITIVE.get(setting)) is None:
            continue
        what = "a whole number of at least 1" if kind is int else "a number above 0"
        wrong = [value for value in values if isinstance(value, bool) or not isinstance(value, kind) or not value > 0]
        if wrong:
            remedy = f"write {what}" + (", and `whole: true`" if kind is int and place[-1] == "low" else "")
            yield Finding(place, f"nothing is trained with {str(wrong[0])[:40]}", remedy)


TRAINING_RULES: tuple[Rule, ...] = (
    base_model_is_pinned,
    settings_have_known_names,
    settings_let_training_begin,
)


def _settings(recipe: dict[str, Any]) -> Iterator[tuple[Place, tuple[str, str], list[Any]]]:
    """Return each setting of TRL and peft: its place, its group and name, and the values that it may have."""
    if value_at(recipe, "train", "trainer") == "dummy":
        return
    for group in ("settings", "lora"):
        given = value_at(recipe, "train", group)
        for name, value in given.items() if isinstance(given, dict) else ():
            yield ("train", group, name), (group, name), [value]
    over = value_at(recipe, "train", "trials", "over")
    for name, values in over.items() if isinstance(over, dict) else ():
        group, _, setting = name.partition(".")
        place = ("train", "trials", "over", name)
        if isinstance(values, dict) and "low" in values:
            yield (*place, "low"), (group, setting), [_draw_lowest(values)]
        else:
            yield place, (group, setting), values if isinstance(values, list) else []


def _is_folder(name: str) -> bool:
    try:
        return Path(name).is_dir()
    except (OSError, ValueError):
        return False


@cache
def _trl_names() -> frozenset[str]:
    return _read_field_names("trl", "trainer/base_config.py", "trainer/sft_config.py") | _read_field_names(
        "transformers", "training_args.py"
    )


@cache
def _peft_names() -> frozenset[str]:
    return _read_field_names("peft", "config.py", "tuners/lora/config.py")


def _read_field_names(package: str, *files: str) -> frozenset[str]:
    """Read the names of a library's settings from its source; none where it is not installed.

    Importing the library would take seconds of every parse of a Dag file. A name too many does no harm here.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return frozenset()
    paths = [Path(spec.origin).parent / file for file in files]
    texts = [path.read_text(encoding="utf-8") for path in paths if path.is_file()]
    return frozenset(name for text in texts for name in re.findall(r"^    (\w+): ", text, re.MULTILINE))


def _draw_lowest(values: dict[str, Any]) -> Any:
    """Return the lowest number that a range gives, of the type that it is drawn in."""
    low = values["low"]
    if isinstance(low, bool) or not isinstance(low, int | float):
        return low
    try:
        return round(low) if values.get("whole") is True else float(low)
    except (OverflowError, ValueError):
        return low  # it is no number to draw from, which the schema tells
