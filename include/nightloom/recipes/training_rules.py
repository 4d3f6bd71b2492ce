"""Training rules: the base model of a recipe is pinned, and TRL and peft accept its settings."""

import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from math import isinf
from pathlib import Path
from typing import Any

from nightloom.recipes.documents import FieldPath
from nightloom.recipes.problems import Problem, Problems, Rule, value_at
from nightloom.recipes.training import RESERVED_SETTINGS

_POSITIVE: dict[tuple[str, str], Any] = {
    **dict.fromkeys((("settings", "per_device_train_batch_size"), ("settings", "gradient_accumulation_steps")), int),
    **dict.fromkeys((("settings", "num_train_epochs"), ("settings", "learning_rate")), int | float),
    ("lora", "r"): int,
}
"""Settings that must be above 0, with their type."""
_IDLE: dict[tuple[str, str], Callable[[Any], bool]] = {
    ("settings", "max_steps"): lambda value: value == 0,
    ("settings", "learning_rate"): isinf,
    ("lora", "lora_alpha"): lambda value: value == 0,
    ("lora", "lora_dropout"): lambda value: not 0 <= value < 1,
}
"""Values that TRL and peft take, and by which nothing would be trained either."""
_UNREAD = {
    "model_init_kwargs": "write it under `train.model`",
    "resume_from_checkpoint": "remove it: a training resumes from its own checkpoint",
    **dict.fromkeys(("eval_steps", "eval_delay", "metric_for_best_model"), "remove it, or use `train.early_stopping`"),
    **dict.fromkeys(("save_steps", "hub_model_id", "hub_strategy", "eval_packing", "do_train", "do_eval"), "remove it"),
}
"""Settings of TRL that nothing reads here, with what to do."""
_SCALARS = {
    form.format(kind): name
    for kind, name in (("int", "a number"), ("float", "a number"), ("bool", "true or false"))
    for form in ("{}", "{} | None", "Optional[{}]")
}
"""Types of settings in the libraries' source code, as a recipe's author knows them."""
_BASES = ("starter", "dummy")
_PINNED = re.compile(r"/.*|s3://[^/]+(/.*)?|\w[\w.-]*/\w[\w.-]*@[\w./-]+", re.DOTALL)
"""Base models that are the same on every machine: an absolute path, an S3 prefix, a Hub model at a revision."""


def base_model_is_pinned(recipe: dict[str, Any], _file: Path) -> Problems:
    """Report a base model that may differ between machines or nights: a Hub model needs a revision."""
    base = value_at(recipe, "train", "base")
    if not isinstance(base, str) or base in _BASES or _PINNED.fullmatch(base) or _is_folder(base):
        return
    path: FieldPath = ("train", "base")
    if re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", base):
        remedy = f"write `{base}@<commit>`, or the absolute path of a folder"
        yield Problem(path, f"{base[:60]!r} is not a local folder, and a Hub model must be pinned", remedy)
        return
    close = get_close_matches(base, _BASES, n=1)
    remedy = "the absolute path of a folder, `s3://bucket/prefix/`, or `org/name@revision` of the Hub"
    remedy = f"write `{close[0]}`, or {remedy}" if close else f"write `starter`, {remedy}"
    yield Problem(path, f"{base[:60]!r} is not a known base model", remedy)


def settings_have_known_names(recipe: dict[str, Any], _file: Path) -> Problems:
    """Report settings that TRL or peft do not have: a typo would cost a night."""
    libraries = {"settings": (_read_trl_fields(), "SFTConfig"), "lora": (_read_peft_fields(), "LoraConfig")}
    for path, (group, name), _ in _settings(recipe):
        known, about = libraries.get(group, ({}, ""))
        if group == "settings" and name in RESERVED_SETTINGS:
            yield Problem(path, f"`{name}` is set by Nightloom itself", "remove it")
        elif group == "settings" and name in _UNREAD:
            yield Problem(path, f"`{name}` has no effect here", _UNREAD[name])
        elif known and name not in known:
            close = get_close_matches(name, known, n=1)
            remedy = f"write `{close[0]}`" if close else f"see the documentation of {about}"
            yield Problem(path, f"`{name}` is not a setting of {about}", remedy)


def settings_train_something(recipe: dict[str, Any], _file: Path) -> Problems:
    """Report settings by which nothing would be trained, such as an empty batch or rank 0."""
    for path, setting, values in _settings(recipe):
        idle = [value for value in values if _is_number(value) and _IDLE.get(setting, lambda _: False)(value)]
        if idle:
            yield Problem(path, f"{idle[0]} would train nothing", "write another number, or remove it")
            continue
        if (kind := _POSITIVE.get(setting)) is None:
            continue
        least = "a whole number of at least 1" if kind is int else "a number above 0"
        wrong = [value for value in values if isinstance(value, bool) or not isinstance(value, kind) or not value > 0]
        if wrong:
            remedy = f"write {least}" + (", and `whole: true`" if kind is int and path[-1] == "low" else "")
            value = str(wrong[0])[:40]
            is_number = isinstance(wrong[0], kind) and _is_number(wrong[0])
            yield Problem(path, f"{value} would train nothing" if is_number else f"{value} is not {least}", remedy)


def settings_have_their_type(recipe: dict[str, Any], _file: Path) -> Problems:
    """Report text where TRL or peft expect a number or a truth value, such as quoted numbers and `yes`."""
    types = {"settings": _read_trl_fields(), "lora": _read_peft_fields()}
    for path, (group, name), values in _settings(recipe):
        kind = _SCALARS.get(types.get(group, {}).get(name, ""))
        if kind is None or (group, name) in _POSITIVE:
            continue
        wrong = next((value for value in values if isinstance(value, str | list | dict)), None)
        if wrong is not None:
            yield Problem(path, f"{str(wrong)[:40]!r} is not {kind}", f"write {kind}, without quotes")


def adapters_write_texts(recipe: dict[str, Any], _file: Path) -> Problems:
    """Report a task type by which peft makes a model that classifies or embeds, and other kinds of adapters."""
    for path, setting, values in _settings(recipe):
        others = [value for value in values if setting == ("lora", "peft_type") and value != "LORA"]
        if others:
            yield Problem(path, f"adapters of type {str(others[0])[:40]!r} are not trained", "remove it")
        named = [value for value in values if setting == ("lora", "task_type") and isinstance(value, str)]
        if wrong := [name for name in named if name != "CAUSAL_LM"]:
            yield Problem(path, f"a model of task type {wrong[0][:40]!r} writes no answers", "remove it")


TRAINING_RULES: tuple[Rule, ...] = (
    base_model_is_pinned,
    settings_have_known_names,
    settings_train_something,
    settings_have_their_type,
    adapters_write_texts,
)


def _settings(recipe: dict[str, Any]) -> Iterator[tuple[FieldPath, tuple[str, str], list[Any]]]:
    """Yield each setting of TRL and peft: its path, its group and name, and the values that it can take."""
    if value_at(recipe, "train", "trainer") == "dummy":
        return
    for group in ("settings", "lora"):
        given = value_at(recipe, "train", group)
        for name, value in given.items() if isinstance(given, dict) else ():
            yield ("train", group, name), (group, name), [value]
    over = value_at(recipe, "train", "trials", "over")
    for name, values in over.items() if isinstance(over, dict) else ():
        group, _, setting = name.partition(".")
        path = ("train", "trials", "over", name)
        if isinstance(values, dict) and "low" in values:
            yield (*path, "low"), (group, setting), [_draw_lowest(values)]
        else:
            yield path, (group, setting), values if isinstance(values, list) else []


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_folder(name: str) -> bool:
    try:
        return Path(name).is_dir()
    except (OSError, ValueError):
        return False


@cache
def _read_trl_fields() -> dict[str, str]:
    trl = _read_fields("trl", "trainer/base_config.py", "trainer/sft_config.py")
    return _read_fields("transformers", "training_args.py") | trl


@cache
def _read_peft_fields() -> dict[str, str]:
    return _read_fields("peft", "config.py", "tuners/lora/config.py")


def _read_fields(package: str, *files: str) -> dict[str, str]:
    """Return the types of a library's settings by name from its source code; none if it is not installed."""
    # Not imported, which would take seconds in every parse of a Dag file. A few names too many do no harm.
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return {}
    paths = [Path(spec.origin).parent / file for file in files]
    texts = [path.read_text(encoding="utf-8") for path in paths if path.is_file()]
    return dict(
        found for text in texts for found in re.findall(r"^    (\w+): ([^=\n]*?)(?: =.*)?$", text, re.MULTILINE)
    )


def _draw_lowest(values: dict[str, Any]) -> Any:
    """Return the lowest number that can be drawn from a range, in the type in which it is drawn."""
    low = values["low"]
    if isinstance(low, bool) or not isinstance(low, int | float):
        return low
    try:
        return round(low) if values.get("whole") is True else float(low)
    except (OverflowError, ValueError):
        return low  # not a finite number, which the schema reports
