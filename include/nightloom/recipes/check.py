"""Recipe check: read recipes from their files, and name every mistake at once with its line and its remedy."""

import json
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nightloom.core.errors import RecipeError
from nightloom.core.extensions import SOURCES, list_extensions
from nightloom.core.settings import get_settings
from nightloom.recipes.documents import Document, Mistake, Place, read_document, show_place
from nightloom.recipes.findings import suggest
from nightloom.recipes.rules import check_rules
from nightloom.recipes.schema import Recipe

Schema = Mapping[str, Any]
Error = Mapping[str, Any]

_PATTERNS = {
    "^[a-z][a-z0-9_]{1,39}$": (
        "write 2 to 40 lower-case letters, digits and underscores, the first one a letter, such as `ticket_text`"
    ),
    "^[a-z][a-z0-9_]*/[0-9]+$": "write name/number, such as `support_triage/1`",
}
_OTHER = "other"
# What pydantic calls the two that may stand under `train.trials.over`.
_LIST, _RANGE = "tuple[any, ...]", "function-after[_is_a_range(), Range]"
_SHAPES = {
    "object": ("a group of fields", "write `field: value` on lines of their own, indented"),
    "array": ("a list", "write `[first, second]`, or `- value` on lines of their own"),
    "string": ("text", "write text; put it in quotes when it looks like a number"),
    "integer": ("a whole number", "write a whole number"),
    "number": ("a number", "write a number"),
    "boolean": ("true or false", "write `true` or `false`"),
    "time": ("a time of day", "write hours and minutes, such as `07:00`"),
}


def check_recipe(path: Path) -> list[Mistake]:
    """Return every mistake of a recipe's file, in the order of its lines; none: it is sound."""
    return _read(path)[1]


def load_recipe(name: str) -> Recipe:
    """Return the recipe of that name.

    Raises:
        RecipeError: There is none, or it has mistakes; all of them are listed.
    """
    directory = get_settings().recipes_dir
    files = {path.stem: path for path in sorted(directory.glob("*.yaml"))}
    if name not in files:
        msg = f"no recipe is named {name!r} in {directory}; {suggest(name, list(files)) or 'write one there'}"
        raise RecipeError(msg)
    recipe, mistakes = _read(files[name])
    if recipe is None or mistakes:
        msg = f"recipe {name!r} cannot be used; correct it:\n{format_mistakes(files[name], mistakes)}"
        raise RecipeError(msg)
    return recipe


def load_recipes(directory: Path | None = None) -> tuple[dict[str, Recipe], dict[str, list[Mistake]]]:
    """Return the sound recipes by name, and the mistakes of the broken ones by the path of their file."""
    sound: dict[str, Recipe] = {}
    broken: dict[str, list[Mistake]] = {}
    directory = directory or get_settings().recipes_dir
    for path in sorted([*directory.glob("*.yaml"), *directory.glob("*.yml")]):
        recipe, mistakes = _read(path)
        if recipe is None or mistakes:
            broken[str(path)] = mistakes
        else:
            sound[recipe.name] = recipe
    return sound, broken


def format_mistakes(path: Path, mistakes: Sequence[Mistake]) -> str:
    """Write mistakes as compilers do: file, line and column, what is wrong, what to write, and the line itself."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    return "\n".join(_format_mistake(path, mistake, lines) for mistake in mistakes)


def _format_mistake(path: Path, mistake: Mistake, lines: Sequence[str]) -> str:
    place = f"{path}:{mistake.line}" + (f":{mistake.column}" if mistake.column else "")
    where = f"{mistake.where}: " if mistake.where else ""
    text = f"{place}: {where}{mistake.problem}; {mistake.remedy}"
    if mistake.column is None or mistake.line > len(lines):
        return text
    gutter = f"{mistake.line:>5} | "
    caret = " " * (len(gutter) + mistake.column - 1) + "^"
    return f"{text}\n{gutter}{lines[mistake.line - 1][:160]}" + (f"\n{caret}" if mistake.column <= 160 else "")


def _read(path: Path) -> tuple[Recipe | None, list[Mistake]]:
    document = read_document(path)
    if path.suffix != ".yaml":
        document.blame((), f"the file ends in {path.suffix!r}", "name it `<recipe>.yaml`")
    recipe = None
    if isinstance(document.data, dict):
        recipe = _check_schema(document)
        blamed = {mistake.where for mistake in document.mistakes}
        for finding in check_rules(document.data, path):
            if show_place(finding.place) not in blamed:
                document.blame(finding.place, finding.problem, finding.remedy)
    elif not document.mistakes:
        document.blame((), "the file holds no fields", "begin with `name: <recipe>`")
    return recipe, sorted(document.mistakes, key=lambda mistake: (mistake.line, mistake.column or 0, mistake.where))


def _check_schema(document: Document) -> Recipe | None:
    recipe, errors = _validate(document.data)
    guess = _with_guessed_kinds(document.data, errors)
    if guess is not None:
        seen = {(error["type"], error["loc"]) for error in errors}
        errors += [error for error in _validate(guess)[1] if (error["type"], error["loc"]) not in seen]
    for error in errors:
        if not _follows_from_another(error, errors):
            _blame(document, error)
    return recipe


def _validate(data: Any) -> tuple[Recipe | None, list[Any]]:
    try:
        return Recipe.model_validate(data), []
    except ValidationError as error:
        return None, list(error.errors(include_url=False))


def _follows_from_another(error: Error, errors: Iterable[Error]) -> bool:
    location = error["loc"]
    # Where a list or a range may stand, both are found missing: what is a group was meant as a range.
    if location[-1] == _LIST:
        return isinstance(error["input"], dict)
    if location[-1] == _RANGE and error["type"] == "model_type":
        return True
    if error["type"] == "too_short":
        # Faulty items do not count for pydantic: it is they that are wrong, not the length.
        return any(len(other["loc"]) > len(location) and other["loc"][: len(location)] == location for other in errors)
    if error["type"] == "missing":
        unknown = [o["loc"][-1] for o in errors if o["type"] == "extra_forbidden" and o["loc"][:-1] == location[:-1]]
        return bool(get_close_matches(location[-1], unknown, n=1))
    return False


def _with_guessed_kinds(data: Any, errors: Iterable[Error]) -> Any | None:
    """Return the data with a likely `kind` where it is wrong or missing, so that what lies behind it is checked too."""
    guess = deepcopy(data)
    changed = False
    for error in errors:
        if not error["type"].startswith("union_tag") or not isinstance(error["input"], dict):
            continue
        place, schema = _locate(error["loc"])
        target = guess
        for part in place:
            target = target[part]
        target["kind"] = _guess_kind(target, schema)
        changed = True
    return guess if changed else None


def _guess_kind(fields: Mapping[str, Any], schema: Schema) -> str:
    members = {
        kind: set(_resolve({"$ref": ref})["properties"]) for kind, ref in _kinds(schema).items() if kind != _OTHER
    }
    close = get_close_matches(str(fields.get("kind")), list(members), n=1)
    return close[0] if close else max(members, key=lambda kind: len(members[kind] & set(fields)))


def _blame(document: Document, error: Error) -> None:
    place, schema = _locate(error["loc"])
    match error["type"]:
        case "missing":
            about = schema.get("description") or schema.get("title", "")
            document.blame(place, f"the field `{place[-1]}` is missing", f"add `{place[-1]}: …` ({about})")
        case "extra_forbidden":
            known = list(_locate(error["loc"][:-1])[1].get("properties", {}))
            remedy = suggest(str(place[-1]), known) or "remove it"
            document.blame(place, f"`{place[-1]}` is not a field here", remedy, at_key=True)
        case "union_tag_invalid" | "union_tag_not_found" if not isinstance(error["input"], dict):
            document.blame(place, *_explain_value(error, {"type": "object"}))
        case "union_tag_invalid" | "union_tag_not_found" as kind:
            _blame_kind(document, place, schema, missing=kind == "union_tag_not_found")
        case "string_pattern_mismatch" if error["loc"][-1] == "[key]":
            remedy = _PATTERNS[error["ctx"]["pattern"]]
            document.blame(place, f"`{place[-1]}` cannot be the name of a field", remedy, at_key=True)
        case _:
            document.blame(place, *_explain_value(error, schema))


def _blame_kind(document: Document, place: Place, schema: Schema, *, missing: bool) -> None:
    kinds = sorted({*_kinds(schema), *list_extensions(SOURCES)} - {_OTHER})
    if missing:
        remedy = f"add {' or '.join(f'`kind: {kind}`' for kind in kinds)}"
        document.blame((*place, "kind"), "the field `kind` is missing", remedy)
        return
    value = document.data
    for part in (*place, "kind"):
        value = value[part]
    document.blame((*place, "kind"), f"{_show(value)} is not a known kind", suggest(str(value), kinds))


def _explain_value(error: Error, schema: Schema) -> tuple[str, str]:
    value = error["input"]
    match error["type"]:
        case "value_error":
            problem, _, remedy = error["msg"].removeprefix("Value error, ").rpartition("; ")
            return problem, remedy
        case "literal_error":
            known = [str(word) for word in schema.get("enum", [schema.get("const")])]
            return f"{_show(value)} is not a known value", suggest(str(value), known)
        case "string_pattern_mismatch":
            return f"{_show(value)} has not the form that is asked for", _PATTERNS[error["ctx"]["pattern"]]
        case "too_short" | "string_too_short":
            return "it is empty", f"write at least one ({schema.get('description', 'it cannot be left out')})"
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            return f"{_show(value)} is out of range", f"write {_range(schema)}"
    shape, remedy = _SHAPES.get(schema.get("format") or schema.get("type", ""), ("what is asked for", "correct it"))
    if value is None:
        return "the field has no value", f"{remedy}, or remove the line"
    return f"{_show(value)} is not {shape}", f"{remedy}{_bounds(schema)}"


def _range(schema: Schema) -> str:
    return _SHAPES[schema["type"]][0] + _bounds(schema)


def _bounds(schema: Schema) -> str:
    words = {
        "minimum": "of at least",
        "exclusiveMinimum": "above",
        "maximum": "at most",
        "exclusiveMaximum": "below",
    }
    bounds = [f"{word} {schema[bound]}" for bound, word in words.items() if bound in schema]
    return f" {' and '.join(bounds)}" if bounds else ""


def _show(value: Any) -> str:
    if isinstance(value, dict):
        return "a group of fields"
    if isinstance(value, list):
        return "a list"
    text = repr(value) if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


@cache
def _schema() -> Schema:
    return Recipe.model_json_schema()


def _resolve(schema: Schema) -> Schema:
    """Follow a reference, and see through `or nothing`."""
    if "anyOf" in schema:
        given = next(choice for choice in schema["anyOf"] if choice.get("type") != "null")
        schema = {**given, **{key: value for key, value in schema.items() if key != "anyOf"}}
    if "$ref" in schema:
        target = _schema()["$defs"][schema["$ref"].rpartition("/")[2]]
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    return schema


def _kinds(schema: Schema) -> Mapping[str, str]:
    """Return the schema of each kind of source; `other` stands for the kinds that packages add."""
    kinds = {choice["$ref"]: _resolve(choice)["properties"]["kind"] for choice in schema.get("oneOf", ())}
    return dict(sorted((kind.get("const", _OTHER), ref) for ref, kind in kinds.items()))


def _locate(location: Place) -> tuple[Place, Schema]:
    """Return the path in the file, and the schema there, of pydantic's location, which also names union members."""
    place: Place = ()
    schema = _schema()
    for part in location:
        kinds = _kinds(schema)
        if part in kinds:
            schema = _resolve({"$ref": kinds[str(part)]})
        elif part == _RANGE:
            schema = _resolve({"$ref": "#/$defs/Range"})
        elif part not in ("[key]", _LIST):
            place = (*place, part)
            schema = _resolve(_inner(schema, part))
    return place, schema


def _inner(schema: Schema, part: str | int) -> Schema:
    if isinstance(part, int):
        items: Schema = schema.get("items", {})
        return items
    # The names of a dictionary's keys have one pattern at most.
    others = next(iter(schema.get("patternProperties", {}).values()), schema.get("additionalProperties"))
    inner = schema.get("properties", {}).get(part, others)
    return inner if isinstance(inner, dict) else {}
