"""Rules of a recipe beyond its schema: what it names exists, what it says fits together."""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from nightloom.core.extensions import SCANNERS, list_extensions
from nightloom.core.settings import get_settings
from nightloom.recipes.documents import Place
from nightloom.recipes.findings import Finding, Findings, Rule, suggest, value_at
from nightloom.recipes.training_rules import TRAINING_RULES

_TIMES = ("window_from", "cut_from", "cut_to")
# The same expression as sqlalchemy.text(), so that what passes here binds there.
_PLACEHOLDER = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")
_PLANTED: Place = ("prepare", "planted_rows", "source")
_SCANNER_FIELDS = {
    "pii": "pii",
    "secret": "secrets",
    "secrets": "secrets",
    **dict.fromkeys(("prompt_injection", "prompt_injections"), "prompt_injections"),
}
"""The fields of our own scanners, by what a recipe's author may take for their names."""
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)


def check_rules(recipe: dict[str, Any], path: Path) -> Findings:
    """Return every finding of every rule on a raw recipe in its file."""
    for rule in RULES:
        yield from rule(recipe, path)


def name_is_that_of_the_file(recipe: dict[str, Any], path: Path) -> Findings:
    """A recipe is found by its file's name."""
    name = recipe.get("name")
    if isinstance(name, str) and name != path.stem:
        yield Finding(("name",), f"{name!r} is not the name of the file", f"write `name: {path.stem}`")


def schedule_is_a_cron_line(recipe: dict[str, Any], _path: Path) -> Findings:
    """The schedule has five fields that a cron understands."""
    schedule = recipe.get("schedule")
    if not isinstance(schedule, str):
        return
    from croniter import croniter

    if len(schedule.split()) != 5 or not croniter.is_valid(schedule):
        remedy = "write minute, hour, day of month, month and day of week, such as `0 1 * * *`"
        yield Finding(("schedule",), f"{schedule[:60]!r} is not a cron line", remedy)


def deadline_is_local(recipe: dict[str, Any], _path: Path) -> Findings:
    """The deadline is a time of day in the recipe's own time zone."""
    deadline = recipe.get("deadline")
    if deadline is not None and not re.fullmatch(r"\d\d:\d\d(:\d\d)?", str(deadline)):
        problem = f"{str(deadline)[:60]!r} is not a time of day without time zone"
        yield Finding(("deadline",), problem, "write hours and minutes, such as `07:00`")


def answers_can_be_found(recipe: dict[str, Any], _path: Path) -> Findings:
    """The right answer stands in columns, or is a conversation's last message."""
    answer, groups = value_at(recipe, "task", "answer"), list(_columns(recipe))
    reads_text = any("text" in group for group in groups)
    if any("chat" in group for group in groups) and value_at(recipe, "task", "output") in (None, "json"):
        yield Finding(("task", "output"), "a conversation is answered in plain text", "write `output: text`")
    for name, field in answer.items() if isinstance(answer, dict) else ():
        place: Place = ("task", "answer", name, "column")
        if not isinstance(field, dict):
            continue
        if reads_text and "column" not in field and not get_close_matches("column", field, n=1):
            yield Finding(place, "the field `column` is missing", "add `column: …` (where the right value stands)")
        if not reads_text and "column" in field and any("chat" in group for group in groups):
            yield Finding(place, "the answer of a conversation is its last message", "remove `column`")


def prompt_has_a_file(recipe: dict[str, Any], _path: Path) -> Findings:
    """The prompt version that the task names is there."""
    prompt = value_at(recipe, "task", "prompt")
    directory = get_settings().prompts_dir
    if isinstance(prompt, str) and not _is_file(directory, f"{prompt}.yaml"):
        known = sorted(p.relative_to(directory).with_suffix("").as_posix() for p in directory.glob("*/*.yaml"))
        remedy = suggest(prompt, known) or f"create {directory.name}/{prompt}.yaml"
        yield Finding(("task", "prompt"), f"the prompt {prompt[:60]!r} has no file in {directory.name}", remedy)


def suite_has_a_file(recipe: dict[str, Any], _path: Path) -> Findings:
    """The suite that validation is to use is there."""
    suite = value_at(recipe, "prepare", "suite")
    directory = get_settings().expectations_dir
    if isinstance(suite, str) and not _is_file(directory, f"{suite}.json"):
        known = sorted(p.stem for p in directory.glob("*.json"))
        remedy = suggest(suite, known) or f"create {directory.name}/{suite}.json"
        yield Finding(("prepare", "suite"), f"the suite {suite[:60]!r} has no file in {directory.name}", remedy)


def scanners_are_installed(recipe: dict[str, Any], _path: Path) -> Findings:
    """A scanner that the recipe names is added by an installed package; ours have fields of their own."""
    given, known = value_at(recipe, "prepare", "scanners"), list_extensions(SCANNERS)
    for name in given if isinstance(given, dict) else ():
        place: Place = ("prepare", "scanners", name)
        field = _SCANNER_FIELDS.get(name)
        if field:
            yield Finding(place, f"{name!r} has a field of its own", f"write `{field}` under `prepare` instead")
        elif isinstance(name, str) and name not in known:
            remedy = suggest(name, known) or "install the package that adds it, or remove the line"
            yield Finding(place, f"no installed package adds a scanner {name[:60]!r}", remedy)


def freshness_has_times(recipe: dict[str, Any], _path: Path) -> Findings:
    """How fresh rows are is known only where they tell when they were written."""
    if value_at(recipe, "prepare", "limits", "freshness_hours") is None:
        return
    columns = value_at(recipe, "task", "columns")
    if isinstance(columns, dict) and columns.get("updated_at") is None:
        remedy = "add `updated_at: <column>` under task.columns, or remove the line"
        yield Finding(("prepare", "limits", "freshness_hours"), "no column tells when a row was written", remedy)


def queries_name_known_times(recipe: dict[str, Any], _path: Path) -> Findings:
    """A query has no other placeholders than the night's times; a night's rows end at its cut."""
    for place, source in _sources(recipe):
        query = source.get("query")
        if not isinstance(query, str):
            continue
        names = set(_PLACEHOLDER.findall(query))
        for name in sorted(names - set(_TIMES)):
            remedy = suggest(name, _TIMES, before=":") or f"known: {', '.join(f':{time}' for time in _TIMES)}"
            yield Finding((*place, "query"), f"the placeholder `:{name}` has no value", remedy)
        if place[0] == "evaluate":
            for name in sorted(names & set(_TIMES)):
                problem = f"an eval set belongs to no night, so `:{name}` has no value"
                yield Finding((*place, "query"), problem, "read all of it, or write a fixed date")
        elif place != _PLANTED and "cut_to" not in _PLACEHOLDER.findall(_COMMENT.sub("", query)):
            problem = "the query does not end at the night's cut, so a night read again would give other rows"
            yield Finding((*place, "query"), problem, "add `WHERE <time column> < :cut_to`")


def paths_lead_somewhere(recipe: dict[str, Any], _path: Path) -> Findings:
    """A file's path means the same wherever the night is run."""
    for place, source in _sources(recipe):
        path = source.get("path")
        if not isinstance(path, str):
            continue
        for name in re.findall(r"\{(.*?)\}", path):
            if name != "data":
                yield Finding((*place, "path"), f"`{{{name}}}` has no value", "write `{data}`, the only one there is")
        if not path.startswith(("{", "/")):
            remedy = f"write `{{data}}/{path}`, or the whole path from `/`"
            yield Finding((*place, "path"), f"{path[:60]!r} depends on where the night is run", remedy)


def eval_sets_differ_in_name(recipe: dict[str, Any], _path: Path) -> Findings:
    """Scores are told apart by the eval set's name."""
    sets = value_at(recipe, "evaluate", "sets")
    seen: set[str] = set()
    for number, item in enumerate(sets if isinstance(sets, list) else ()):
        name = item.get("name") if isinstance(item, dict) else None
        if isinstance(name, str) and name in seen:
            yield Finding(("evaluate", "sets", number, "name"), f"two eval sets are named {name!r}", "rename one")
        seen.add(str(name))


def table_has_a_connection(recipe: dict[str, Any], _path: Path) -> Findings:
    """Predictions that go back to a table know the database."""
    predict = recipe.get("predict")
    if not isinstance(predict, dict) or predict.get("table") is None or predict.get("connection") is not None:
        return
    if value_at(predict, "source", "kind") == "files":
        yield Finding(("predict", "table"), "the table has no connection", "add `connection: <name>` beside it")


def alerts_reach_someone(recipe: dict[str, Any], _path: Path) -> Findings:
    """A channel other than the log has a reader."""
    channel = value_at(recipe, "alerts", "channel")
    if channel in ("slack", "email") and not value_at(recipe, "alerts", "to"):
        remedy = "add `to: [address]`, or write `channel: log`"
        yield Finding(("alerts", "channel"), f"alerts by {channel} reach nobody", remedy)


RULES: tuple[Rule, ...] = (
    name_is_that_of_the_file,
    schedule_is_a_cron_line,
    deadline_is_local,
    answers_can_be_found,
    prompt_has_a_file,
    suite_has_a_file,
    scanners_are_installed,
    freshness_has_times,
    queries_name_known_times,
    paths_lead_somewhere,
    eval_sets_differ_in_name,
    table_has_a_connection,
    alerts_reach_someone,
    *TRAINING_RULES,
)


def _sources(recipe: dict[str, Any]) -> Iterator[tuple[Place, dict[str, Any]]]:
    sets = value_at(recipe, "evaluate", "sets")
    places: list[Place] = [("prepare", "source"), _PLANTED, ("predict", "source")]
    places += [("evaluate", "sets", number, "source") for number in range(len(sets) if isinstance(sets, list) else 0)]
    for place in places:
        source = value_at(recipe, *place)
        if isinstance(source, dict):
            yield place, source


def _columns(recipe: dict[str, Any]) -> Iterator[dict[str, Any]]:
    sets = value_at(recipe, "evaluate", "sets")
    for group in (value_at(recipe, "task"), *(sets if isinstance(sets, list) else ())):
        columns = value_at(group, "columns")
        if isinstance(columns, dict):
            yield columns


def _is_file(directory: Path, name: str) -> bool:
    # Not above the directory, and never a name that the operating system cannot spell.
    if ".." in Path(name).parts or name.startswith("/"):
        return False
    try:
        return (directory / name).is_file()
    except (OSError, ValueError):
        return False
