"""Rules: what a recipe must fulfil beyond its schema. What it names exists, and its fields fit together."""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from nightloom.core.extensions import SCANNERS, list_extensions
from nightloom.core.settings import get_settings
from nightloom.recipes.documents import FieldPath
from nightloom.recipes.problems import Problem, Problems, Rule, suggest, value_at
from nightloom.recipes.sources import SQL_COMMENT
from nightloom.recipes.training_rules import TRAINING_RULES

PREDICTIONS_COLUMNS = frozenset(
    ("recipe", "night", "row_id", "status", "blocked", "flags", "finish_reason", "model", "prompt")
)
"""Columns that every table of predictions has, besides those of the answer's fields."""

_TIMES = ("window_from", "cut_from", "cut_to")
# The same expression as in sqlalchemy.text(): what passes here can be bound there.
_PLACEHOLDER = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")
_PLANTED: FieldPath = ("prepare", "planted_rows", "source")
_SCANNER_FIELDS = {
    "pii": "pii",
    "secret": "secrets",
    "secrets": "secrets",
    **dict.fromkeys(("prompt_injection", "prompt_injections"), "prompt_injections"),
}
"""The fields of the built-in scanners, by the names under which an author may look for them."""


def check_rules(recipe: dict[str, Any], file: Path) -> Problems:
    """Return the problems that all rules find in a raw recipe of a file."""
    for rule in RULES:
        yield from rule(recipe, file)


def name_matches_the_file(recipe: dict[str, Any], file: Path) -> Problems:
    """Report a name that differs from the file's: a recipe is looked up by its file name."""
    name = recipe.get("name")
    if isinstance(name, str) and name != file.stem:
        yield Problem(("name",), f"{name!r} is not the name of the file", f"write `name: {file.stem}`")


def schedule_is_a_cron_expression(recipe: dict[str, Any], _file: Path) -> Problems:
    """Report a schedule that is not a cron expression of five fields."""
    schedule = recipe.get("schedule")
    if not isinstance(schedule, str):
        return
    from croniter import croniter

    if len(schedule.split()) != 5 or not croniter.is_valid(schedule):
        remedy = "write minute, hour, day of month, month and day of week, such as `0 1 * * *`"
        yield Problem(("schedule",), f"{schedule[:60]!r} is not a cron expression of five fields", remedy)


def deadline_is_local(recipe: dict[str, Any], _file: Path) -> Problems:
    """Report a deadline with a time zone: it is a time of day in the recipe's own."""
    deadline = recipe.get("deadline")
    if deadline is not None and not re.fullmatch(r"\d\d:\d\d(:\d\d)?", str(deadline)):
        message = f"{str(deadline)[:60]!r} is not a time of day without time zone"
        yield Problem(("deadline",), message, "write hours and minutes, such as `07:00`")


def answers_have_columns(recipe: dict[str, Any], _file: Path) -> Problems:
    """Report answers without a source: texts need columns, conversations end with the answer."""
    answer, groups = value_at(recipe, "task", "answer"), list(_columns(recipe))
    reads_text = any("text" in group for group in groups)
    if any("chat" in group for group in groups) and value_at(recipe, "task", "output") in (None, "json"):
        yield Problem(("task", "output"), "a conversation needs plain text as output", "write `output: text`")
    for name, field in answer.items() if isinstance(answer, dict) else ():
        path: FieldPath = ("task", "answer", name, "column")
        if not isinstance(field, dict):
            continue
        if reads_text and "column" not in field and not get_close_matches("column", field, n=1):
            yield Problem(path, "the field `column` is missing", "add `column: …` (the column of the reference value)")
        if not reads_text and "column" in field and any("chat" in group for group in groups):
            yield Problem(
                path, "a conversation has no answer column: its last message is the answer", "remove `column`"
            )


def prompt_has_a_file(recipe: dict[str, Any], _file: Path) -> Problems:
    """Report a prompt version without a file."""
    prompt = value_at(recipe, "task", "prompt")
    directory = get_settings().prompts_dir
    if isinstance(prompt, str) and not _is_file(directory, f"{prompt}.yaml"):
        known = sorted(p.relative_to(directory).with_suffix("").as_posix() for p in directory.glob("*/*.yaml"))
        remedy = suggest(prompt, known) or f"create {directory.name}/{prompt}.yaml"
        yield Problem(("task", "prompt"), f"prompt {prompt[:60]!r} has no file in {directory.name}", remedy)


def suite_has_a_file(recipe: dict[str, Any], _file: Path) -> Problems:
    """Report a suite without a file."""
    suite = value_at(recipe, "prepare", "suite")
    directory = get_settings().expectations_dir
    if isinstance(suite, str) and not _is_file(directory, f"{suite}.json"):
        known = sorted(p.stem for p in directory.glob("*.json"))
        remedy = suggest(suite, known) or f"create {directory.name}/{suite}.json"
        yield Problem(("prepare", "suite"), f"suite {suite[:60]!r} has no file in {directory.name}", remedy)


def scanners_are_installed(recipe: dict[str, Any], _file: Path) -> Problems:
    """Report scanners that no installed package adds, and built-in ones, which have fields of their own."""
    given, known = value_at(recipe, "prepare", "scanners"), list_extensions(SCANNERS)
    for name in given if isinstance(given, dict) else ():
        path: FieldPath = ("prepare", "scanners", name)
        field = _SCANNER_FIELDS.get(name)
        if field:
            yield Problem(
                path, f"the built-in scanner {name!r} has its own field", f"write `{field}` under `prepare` instead"
            )
        elif isinstance(name, str) and name not in known:
            remedy = suggest(name, known) or "install the package that adds it, or remove the line"
            yield Problem(path, f"no installed package adds a scanner {name[:60]!r}", remedy)


def freshness_has_times(recipe: dict[str, Any], _file: Path) -> Problems:
    """Report a freshness limit for a source without times."""
    if value_at(recipe, "prepare", "limits", "freshness_hours") is None:
        return
    columns = value_at(recipe, "task", "columns")
    if isinstance(columns, dict) and columns.get("updated_at") is None:
        remedy = "add `updated_at: <column>` under task.columns, or remove the line"
        yield Problem(
            ("prepare", "limits", "freshness_hours"), "no column has the time at which a row was written", remedy
        )


def queries_name_known_times(recipe: dict[str, Any], _file: Path) -> Problems:
    """Report unknown placeholders, and queries that do not end at the night's cut."""
    for path, source in _sources(recipe):
        query = source.get("query")
        if not isinstance(query, str):
            continue
        names = set(_PLACEHOLDER.findall(query))
        for name in sorted(names - set(_TIMES)):
            remedy = suggest(name, _TIMES, before=":") or f"known: {', '.join(f':{time}' for time in _TIMES)}"
            remedy += f"; write `\\:{name}` if the colon belongs to the query"
            yield Problem((*path, "query"), f"the placeholder `:{name}` has no value", remedy)
        if path[0] == "evaluate":
            for name in sorted(names & set(_TIMES)):
                message = f"`:{name}` has no value, because an eval set belongs to no night"
                yield Problem((*path, "query"), message, "remove it, or write a fixed date")
        elif path != _PLANTED and "cut_to" not in _PLACEHOLDER.findall(SQL_COMMENT.sub("", query)):
            message = "the query does not end at the night's cut, so a repeated night would read other rows"
            yield Problem((*path, "query"), message, "add `WHERE <time column> < :cut_to`")


def paths_are_absolute(recipe: dict[str, Any], _file: Path) -> Problems:
    """Report file paths that depend on the working directory or on unknown variables."""
    for path, source in _sources(recipe):
        location = source.get("path")
        if not isinstance(location, str):
            continue
        for name in re.findall(r"\{(.*?)\}", location):
            if name != "data":
                yield Problem(
                    (*path, "path"), f"`{{{name}}}` has no value", "write `{data}`, the only variable of a path"
                )
        scheme, is_url, _ = location.partition("://")
        if is_url and scheme != "s3":
            remedy = "copy the files to a folder, or to S3 and write `s3://bucket/…`"
            yield Problem((*path, "path"), f"a source cannot read `{scheme[:20]}://`", remedy)
        elif not location.startswith(("{", "/", "s3://")):
            remedy = f"write `{{data}}/{location}`, or an absolute path"
            yield Problem((*path, "path"), f"{location[:60]!r} is a relative path", remedy)


def eval_sets_differ_in_name(recipe: dict[str, Any], _file: Path) -> Problems:
    """Report two eval sets of one name: scores are listed by it."""
    sets = value_at(recipe, "evaluate", "sets")
    seen: set[str] = set()
    for number, item in enumerate(sets if isinstance(sets, list) else ()):
        name = item.get("name") if isinstance(item, dict) else None
        if isinstance(name, str) and name in seen:
            yield Problem(("evaluate", "sets", number, "name"), f"two eval sets are named {name!r}", "rename one")
        seen.add(str(name))


def table_has_a_connection(recipe: dict[str, Any], _file: Path) -> Problems:
    """Report a table of predictions without a connection."""
    predict = recipe.get("predict")
    if not isinstance(predict, dict) or predict.get("table") is None or predict.get("connection") is not None:
        return
    if value_at(predict, "source", "kind") == "files":
        yield Problem(("predict", "table"), "the table has no connection", "add `connection: <name>` under `predict`")


def fields_differ_from_the_tables_columns(recipe: dict[str, Any], _file: Path) -> Problems:
    """Report answers that a table of predictions cannot hold: it has a column of that name already."""
    answer, table = value_at(recipe, "task", "answer"), value_at(recipe, "predict", "table")
    if table is None or not isinstance(answer, dict):
        return
    for field in answer:
        if field in PREDICTIONS_COLUMNS:
            message = f"every table of predictions has a column {field!r} of its own"
            yield Problem(("task", "answer", field), message, f"rename the field, such as `answer_{field}`")


def alerts_have_recipients(recipe: dict[str, Any], _file: Path) -> Problems:
    """Report a channel without a recipient, and more recipients than a channel reaches."""
    channel, to = value_at(recipe, "alerts", "channel"), value_at(recipe, "alerts", "to")
    if channel in ("slack", "email") and not to:
        remedy = "add `to: [address]`, or write `channel: log`"
        yield Problem(("alerts", "channel"), f"alerts by {channel} have no recipient", remedy)
    if channel == "slack" and isinstance(to, list) and len(to) > 1:
        remedy = "write one channel, which others may follow"
        yield Problem(("alerts", "to"), f"alerts by slack go to one channel, not to {len(to)}", remedy)


RULES: tuple[Rule, ...] = (
    name_matches_the_file,
    schedule_is_a_cron_expression,
    deadline_is_local,
    answers_have_columns,
    prompt_has_a_file,
    suite_has_a_file,
    scanners_are_installed,
    freshness_has_times,
    queries_name_known_times,
    paths_are_absolute,
    eval_sets_differ_in_name,
    table_has_a_connection,
    fields_differ_from_the_tables_columns,
    alerts_have_recipients,
    *TRAINING_RULES,
)


def _sources(recipe: dict[str, Any]) -> Iterator[tuple[FieldPath, dict[str, Any]]]:
    sets = value_at(recipe, "evaluate", "sets")
    paths: list[FieldPath] = [("prepare", "source"), _PLANTED, ("predict", "source")]
    paths += [("evaluate", "sets", number, "source") for number in range(len(sets) if isinstance(sets, list) else 0)]
    for path in paths:
        source = value_at(recipe, *path)
        if isinstance(source, dict):
            yield path, source


def _columns(recipe: dict[str, Any]) -> Iterator[dict[str, Any]]:
    sets = value_at(recipe, "evaluate", "sets")
    for group in (value_at(recipe, "task"), *(sets if isinstance(sets, list) else ())):
        columns = value_at(group, "columns")
        if isinstance(columns, dict):
            yield columns


def _is_file(directory: Path, name: str) -> bool:
    # Nothing outside the directory, and no error for a name that the operating system does not allow.
    if ".." in Path(name).parts or name.startswith("/"):
        return False
    try:
        return (directory / name).is_file()
    except (OSError, ValueError):
        return False
