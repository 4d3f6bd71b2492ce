"""Source check: read a few rows of every source of a recipe, and hold them against it before a night does."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from nightloom.artifacts.folders import fetch_model
from nightloom.artifacts.frames import RECORDS, RELEASES
from nightloom.artifacts.models import BaseModelManifest, specify_task
from nightloom.artifacts.results import ItemTokens
from nightloom.base_models.check import try_task
from nightloom.base_models.freeze import find_frozen
from nightloom.core.errors import NightloomError, StoreError
from nightloom.core.nights import NightCut, compute_cut, night_of, utc_now
from nightloom.core.scratch import scratch_folder
from nightloom.core.settings import get_settings
from nightloom.curation import rules
from nightloom.curation.outcomes import OPEN, open_rows
from nightloom.processes.parent import in_child
from nightloom.prompts.templates import read_prompt
from nightloom.recipes.schema import AnswerField, Columns, Recipe
from nightloom.recipes.sources import DeltaSource, FilesSource, Source
from nightloom.registry.store import open_store
from nightloom.rendering.item_tokens import describe_limits
from nightloom.sources.extract import read_planted_rows, read_sample

_ROWS = 100
_EVAL = "evaluate.sets."


@dataclass(frozen=True, slots=True)
class PartCheck:
    """What a few rows show about one part of a recipe.

    Attributes:
        part: Its path in the recipe.
        rows: Number of rows that were read, or None if it has none or cannot be read.
        problem: Why no night can use it, or None.
        notes: What people should know.
        refused: Number of rows that are quarantined.
        usable: The rows that can be used (RECORDS).
    """

    part: str
    rows: int | None = None
    problem: str | None = None
    notes: tuple[str, ...] = ()
    refused: int = 0
    usable: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=RECORDS), repr=False)


def check_parts(recipe: Recipe, data: Path | None) -> list[PartCheck]:
    """Read a few rows of every source of a recipe, and render those of eval sets with the base model's tokenizer.

    Args:
        recipe: A valid recipe.
        data: Folder for `{data}` in its paths, or None for that of the settings.
    """
    night = compute_cut(recipe.name, night_of(utc_now(), recipe.timezone), recipe.timezone)
    checks = [*_check_sources(recipe, data, night), _check_prompt(recipe)]
    return [*checks, _check_base(recipe, {one.part: one.usable for one in checks if one.part.startswith(_EVAL)})]


def _check_sources(recipe: Recipe, data: Path | None, night: NightCut) -> Iterator[PartCheck]:
    columns, answer, days = recipe.task.columns, recipe.task.answer, recipe.prepare.window_days
    yield _check_source("prepare", _fill_in(recipe.prepare.source, data), columns, answer, night, days)
    for each in recipe.evaluate.sets:
        check = _check_source(f"{_EVAL}{each.name}", _fill_in(each.source, data), each.columns, answer, None, 0)
        yield _hold_against_share(recipe, check)
    if planted := recipe.prepare.planted_rows:
        filled = planted.model_copy(update={"source": _fill_in(planted.source, data)})
        try:
            found = read_planted_rows(filled, night=night, window_days=days)
        except NightloomError as error:
            yield PartCheck("prepare.planted_rows", problem=str(error))
        else:
            yield PartCheck("prepare.planted_rows", len(found))
    if recipe.predict:
        yield _check_source("predict", _fill_in(recipe.predict.source, data), columns, {}, night, days)


def _fill_in(source: Source, data: Path | None) -> Source:
    if data is None or not isinstance(source, FilesSource | DeltaSource):
        return source
    return source.model_copy(update={"path": source.path.replace("{data}", str(data))})


def _check_source(
    part: str,
    source: Source,
    columns: Columns,
    answer: Mapping[str, AnswerField],
    night: NightCut | None,
    window_days: int,
) -> PartCheck:
    try:
        records = read_sample(source, columns, answer, night=night, window_days=window_days, rows=_ROWS)
    except NightloomError as error:
        return PartCheck(part, problem=str(error))
    if records.is_empty():
        return PartCheck(part, 0, notes=("no row at present",))
    newest = rules.refuse_equal_versions(rules.supersede_older(open_rows(records)))
    rows = rules.refuse_unusable(newest)
    rows = rules.refuse_answers(rows, answer) if answer else rows
    judged = rules.refuse_timeless(rows, pl.DataFrame(schema=RELEASES))
    usable = judged.filter(OPEN, pl.col("text").is_not_null()).select(list(RECORDS))
    refused = judged.filter(outcome="quarantined").group_by("rule").len().sort("rule")
    reasons = ", ".join(f"{count} {rule}" for rule, count in refused.iter_rows())
    if usable.is_empty():
        return PartCheck(part, len(records), problem=f"no row can be used ({reasons or 'without a text'})")
    notes = (f"refused: {reasons}",) if reasons else ()
    return PartCheck(
        part, len(records), notes=notes, refused=judged.filter(outcome="quarantined").height, usable=usable
    )


def _check_prompt(recipe: Recipe) -> PartCheck:
    try:
        read_prompt(get_settings().prompts_dir, recipe.task.prompt)
    except NightloomError as error:
        return PartCheck("task.prompt", problem=str(error))
    return PartCheck("task.prompt")


def _hold_against_share(recipe: Recipe, check: PartCheck) -> PartCheck:
    """Return the check of an eval set, with a problem if too few of its rows are items."""
    most = recipe.evaluate.max_refused
    if check.problem:
        return check
    if not check.rows:
        return replace(check, problem="it has no row, and no night is measured without items", notes=())
    if check.refused > most * (len(check.usable) + check.refused):
        remedy = f"correct these rows, or raise evaluate.max_refused ({most:g})"
        return replace(check, problem=f"{', '.join(check.notes)}, of {check.rows} rows; {remedy}", notes=())
    return check


def _check_base(recipe: Recipe, usable: Mapping[str, pl.DataFrame]) -> PartCheck:
    """Check the base model and the task, and hold the right answers of the rows against the recipe's limits."""
    part, base = "train.base", recipe.train.base
    if base == "dummy":
        return PartCheck(part)
    try:
        folder = _find_folder(base)
        if folder is None:
            return PartCheck(part, notes=(f"base {base} is not here yet; the first night checks it",))
        prompt = read_prompt(get_settings().prompts_dir, recipe.task.prompt)
        task = specify_task(recipe.task, prompt.id).model_dump(mode="json")
        with scratch_folder() as scratch:
            rows = [frame.with_columns(evalset=pl.lit(part.removeprefix(_EVAL))) for part, frame in usable.items()]
            pl.concat(rows).write_parquet(scratch / "rows.parquet")
            counted = in_child(try_task)(
                folder=str(folder),
                base=base,
                prompt=prompt.model_dump(mode="json"),
                task=task,
                rows=str(scratch / "rows.parquet"),
            )
    except StoreError as error:
        return PartCheck(part, notes=(f"not checked: {error}",))
    except NightloomError as error:
        return PartCheck(part, problem=str(error))
    return PartCheck(part, notes=tuple(_hold_against_limits(recipe, counted)))


def _find_folder(base: str) -> Path | None:
    """Return the folder of a base model, or None if it must be made or fetched first."""
    if Path(base).is_dir():
        return Path(base)
    store = open_store()
    frozen = find_frozen(store, base)
    return fetch_model(store, BaseModelManifest, frozen["base"])[1] if frozen else None


def _hold_against_limits(recipe: Recipe, counted: Mapping[str, object]) -> Iterator[str]:
    for name, result in counted.items():
        tokens = ItemTokens.Result.model_validate(result)
        yield from describe_limits(name, tokens, recipe.evaluate.max_new_tokens, "evaluate.max_new_tokens")
        if recipe.predict:
            yield from describe_limits(name, tokens, recipe.predict.max_new_tokens, "predict.max_new_tokens")
