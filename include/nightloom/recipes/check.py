"""Recipe check: read recipes from files, and report all mistakes at once with line and remedy."""

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
from nightloom.recipes.documents import Document, FieldPath, Mistake, format_field_path, read_document
from nightloom.recipes.problems import suggest
from nightloom.recipes.rules import check_rules
from nightloom.recipes.schema import Recipe

Schema = Mapping[str, Any]
Error = Mapping[str, Any]

_PATTERNS = {
    "^[a-z][a-z0-9_]{1,39}$": (
        "write 2 to 40 lower-case letters, digits and underscores that begin with a letter, such as `ticket_text`"
    ),
    "^[a-z][a-z0-9_]*/[0-9]+$": "write name/number, such as `support_triage/1`",
}
_OTHER = "other"
# Pydantic's names of the two types of a value under `train.trials.over`.
_LIST, _RANGE = "tuple[any, ...]", "function-after[_is_a_range(), Range]"
_SHAPES = {
    "object": ("a group of fields", "write each `field: value` on its own line, indented"),
    "array": ("a list", "write `[first, second]`, or each `- value` on its own line"),
    "string": ("text", "write text, in quotes if it looks like a number"),
    "integer": ("a whole number", "write a whole number"),
    "number": ("a number", "write a number"),
    "boolean": ("true or false", "write `true` or `false`"),
    "time": ("a time of day", "write hours and minutes, such as `07:00`"),
}


def check_recipe(file: Path) -> list[Mistake]:
    """Return all mistakes of a recipe's file in the order of its lines, or none if the recipe is valid."""
    return read_recipe(file)[1]


def read_recipe(file: Path) -> tuple[Recipe | None, list[Mistake]]:
    """Return the recipe in a file, or None if it does not fit the schema, and all mistakes in the order of their lines.

    Rules beyond the schema may be broken, too: the recipe is valid only if there is no mistake.
    """
    document = read_document(file)
    if file.suffix != ".yaml":
        document.add_mistake((), f"the file name ends in {file.suffix!r}", "name it `<recipe>.yaml`")
    recipe = None
    if isinstance(document.data, dict):
        recipe = _check_schema(document)
        reported = {mistake.where for mistake in document.mistakes}
        for problem in check_rules(document.data, file):
            if format_field_path(problem.path) not in reported:
                document.add_mistake(problem.path, problem.message, problem.remedy)
    elif not document.mistakes:
        document.add_mistake((), "the file has no fields", "begin with `name: <recipe>`")
    return recipe, sorted(document.mistakes, key=lambda mistake: (mistake.line, mistake.column or 0, mistake.where))


def load_recipe(name: str) -> Recipe:
    """Return the recipe with this name.

    Raises:
        RecipeError: No recipe has this name, or it has mistakes. The message lists all of them.
    """
    files = {path.stem: path for path in sorted(get_settings().recipes_dir.glob("*.yaml"))}
    if name not in files:
        raise RecipeError(explain_unknown(name, list(files)))
    recipe, mistakes = read_recipe(files[name])
    if recipe is None or mistakes:
        msg = f"recipe {name!r} has mistakes; correct them:\n{format_mistakes(files[name], mistakes)}"
        raise RecipeError(msg)
    return recipe


def explain_unknown(name: str, known: Sequence[str]) -> str:
    """Return the message about a name that no recipe has, with the closest known name."""
    listed = ", ".join(known)
    if close := get_close_matches(name, known, n=1):
        remedy = f"did you mean {close[0]!r}? Known: {listed}"
    else:
        remedy = f"known: {listed}" if known else "add one there"
    return f"no recipe is named {name!r} in {get_settings().recipes_dir}; {remedy}"


def load_recipes(directory: Path | None = None) -> tuple[dict[str, Recipe], dict[str, list[Mistake]]]:
    """Return the valid recipes by name, and the mistakes of the broken ones by the path of their file."""
    valid: dict[str, Recipe] = {}
    broken: dict[str, list[Mistake]] = {}
    directory = directory or get_settings().recipes_dir
    for file in sorted([*directory.glob("*.yaml"), *directory.glob("*.yml")]):
        recipe, mistakes = read_recipe(file)
        if recipe is None or mistakes:
            broken[str(file)] = mistakes
        else:
            valid[recipe.name] = recipe
    return valid, broken


def format_mistakes(file: Path, mistakes: Sequence[Mistake]) -> str:
    """Return mistakes as compilers print them: file, line and column, what is wrong, what to write, and the line."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    return "\n".join(_format_mistake(file, mistake, lines) for mistake in mistakes)


def _format_mistake(file: Path, mistake: Mistake, lines: Sequence[str]) -> str:
    position = f"{file}:{mistake.line}" + (f":{mistake.column}" if mistake.column else "")
    where = f"{mistake.where}: " if mistake.where else ""
    text = f"{position}: {where}{mistake.problem}; {mistake.remedy}"
    if mistake.column is None or mistake.line > len(lines):
        return text
    gutter = f"{mistake.line:>5} | "
    caret = " " * (len(gutter) + mistake.column - 1) + "^"
    return f"{text}\n{gutter}{lines[mistake.line - 1][:160]}" + (f"\n{caret}" if mistake.column <= 160 else "")


def _check_schema(document: Document) -> Recipe | None:
    recipe, errors = _validate(document.data)
    guess = _with_guessed_kinds(document.data, errors)
    if guess is not None:
        seen = {(error["type"], error["loc"]) for error in errors}
        errors += [error for error in _validate(guess)[1] if (error["type"], error["loc"]) not in seen]
    for error in errors:
        if not _follows_from_another(error, errors):
            _add_mistake(document, error)
    return recipe


def _validate(data: Any) -> tuple[Recipe | None, list[Any]]:
    try:
        return Recipe.model_validate(data), []
    except ValidationError as error:
        return None, list(error.errors(include_url=False))


def _follows_from_another(error: Error, errors: Iterable[Error]) -> bool:
    location = error["loc"]
    # A value that may be a list or a range is reported as neither. A group of fields was meant as a range.
    if location[-1] == _LIST:
        return isinstance(error["input"], dict)
    if location[-1] == _RANGE and error["type"] == "model_type":
        return True
    if error["type"] == "too_short":
        # Pydantic does not count invalid items: the items are wrong, not the length.
        return any(len(other["loc"]) > len(location) and other["loc"][: len(location)] == location for other in errors)
    if error["type"] == "missing":
        # A misspelt field is reported once, as unknown, and not also as missing.
        unknown = [o["loc"][-1] for o in errors if o["type"] == "extra_forbidden" and o["loc"][:-1] == location[:-1]]
        return bool(get_close_matches(location[-1], unknown, n=1))
    return False


def _with_guessed_kinds(data: Any, errors: Iterable[Error]) -> Any | None:
    """Return the data with a likely `kind` where it is wrong or missing, so that the other fields are checked too."""
    guess = deepcopy(data)
    changed = False
    for error in errors:
        if not error["type"].startswith("union_tag") or not isinstance(error["input"], dict):
            continue
        path, schema = _locate(error["loc"])
        target = guess
        for part in path:
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


def _add_mistake(document: Document, error: Error) -> None:
    path, schema = _locate(error["loc"])
    match error["type"]:
        case "missing":
            about = schema.get("description") or schema.get("title", "")
            document.add_mistake(path, f"the field `{path[-1]}` is missing", f"add `{path[-1]}: …` ({about})")
        case "extra_forbidden":
            known = list(_locate(error["loc"][:-1])[1].get("properties", {}))
            remedy = suggest(str(path[-1]), known) or "remove it"
            document.add_mistake(path, f"`{path[-1]}` is not a field here", remedy, at_key=True)
        case "union_tag_invalid" | "union_tag_not_found" if not isinstance(error["input"], dict):
            document.add_mistake(path, *_explain_value(error, {"type": "object"}))
        case "union_tag_invalid" | "union_tag_not_found" as kind:
            _add_kind_mistake(document, path, schema, missing=kind == "union_tag_not_found")
        case "string_pattern_mismatch" if error["loc"][-1] == "[key]":
            remedy = _PATTERNS[error["ctx"]["pattern"]]
            document.add_mistake(path, f"`{path[-1]}` is not a valid field name", remedy, at_key=True)
        case _:
            document.add_mistake(path, *_explain_value(error, schema))


def _add_kind_mistake(document: Document, path: FieldPath, schema: Schema, *, missing: bool) -> None:
    kinds = sorted({*_kinds(schema), *list_extensions(SOURCES)} - {_OTHER})
    if missing:
        remedy = f"add {' or '.join(f'`kind: {kind}`' for kind in kinds)}"
        document.add_mistake((*path, "kind"), "the field `kind` is missing", remedy)
        return
    value = document.data
    for part in (*path, "kind"):
        value = value[part]
    document.add_mistake((*path, "kind"), f"{_show(value)} is not a known kind", suggest(str(value), kinds))


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
            return f"{_show(value)} has the wrong format", _PATTERNS[error["ctx"]["pattern"]]
        case "too_short" | "string_too_short":
            return "the value is empty", f"write at least one ({schema.get('description', 'it is required')})"
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            return f"{_show(value)} is out of range", f"write {_range(schema)}"
    shape, remedy = _SHAPES.get(schema.get("format") or schema.get("type", ""), ("a valid value", "correct it"))
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
    """Return the schema behind a reference, and the type of an optional field."""
    if "anyOf" in schema:
        given = next(choice for choice in schema["anyOf"] if choice.get("type") != "null")
        schema = {**given, **{key: value for key, value in schema.items() if key != "anyOf"}}
    if "$ref" in schema:
        target = _schema()["$defs"][schema["$ref"].rpartition("/")[2]]
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    return schema


def _kinds(schema: Schema) -> Mapping[str, str]:
    """Return the schema of each kind of source, with `other` for the kinds that packages add."""
    kinds = {choice["$ref"]: _resolve(choice)["properties"]["kind"] for choice in schema.get("oneOf", ())}
    return dict(sorted((kind.get("const", _OTHER), ref) for ref, kind in kinds.items()))


def _locate(location: FieldPath) -> tuple[FieldPath, Schema]:
    """Return path and schema of pydantic's location, which also has the names of union members."""
    path: FieldPath = ()
    schema = _schema()
    for part in location:
        kinds = _kinds(schema)
        if part in kinds:
            schema = _resolve({"$ref": kinds[str(part)]})
        elif part == _RANGE:
            schema = _resolve({"$ref": "#/$defs/Range"})
        elif part not in ("[key]", _LIST):
            path = (*path, part)
            schema = _resolve(_inner(schema, part))
    return path, schema


def _inner(schema: Schema, part: str | int) -> Schema:
    if isinstance(part, int):
        items: Schema = schema.get("items", {})
        return items
    # A dictionary has at most one pattern for its keys.
    others = next(iter(schema.get("patternProperties", {}).values()), schema.get("additionalProperties"))
    inner = schema.get("properties", {}).get(part, others)
    return inner if isinstance(inner, dict) else {}
