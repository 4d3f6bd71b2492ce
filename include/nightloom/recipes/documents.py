"""Documents: strict YAML with the line and column of every value.

Scalars follow YAML 1.2: `no` is a word, `10:30` is not 630, `4e-3` is a number. Duplicate keys, tags, numbers that are
not finite, deep nesting, large files and alias bombs are refused.
"""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

FieldPath = tuple[str | int, ...]
"""Path of a value in a document: keys and list indices."""

_LARGEST_BYTES = 256 << 10
_DEEPEST = 24
_MOST_VALUES = 20_000
_MOST_DIGITS = 40

_REMEDIES = {
    "tab character": "indent with spaces",
    "cannot start any token": "indent with spaces, and put text that begins with a special character in quotes",
    "mapping values are not allowed": "put text with a colon in quotes, and check the indentation",
    "expected ':'": "write `field: value`",
    "did not find expected key": "indent the fields of one group alike",
    "expected <block end>": "indent the fields of one group alike",
    "expected a single document": "leave one document, without a second `---`",
    "found undefined alias": "write the value out",
    "control characters": "remove the character",
    "special characters": "remove the character",
}


@dataclass(frozen=True, slots=True)
class Position:
    """Line and column in a file, counted from 1."""

    line: int
    column: int | None = None


@dataclass(frozen=True, slots=True)
class Mistake:
    """A mistake in a file: its position, what is wrong, and what to write."""

    line: int
    column: int | None
    where: str
    problem: str
    remedy: str


@dataclass(slots=True)
class Document:
    """Content of a YAML file with its positions and mistakes. `data` is None if the file cannot be read."""

    data: Any = None
    values: dict[FieldPath, Position] = field(default_factory=dict)
    keys: dict[FieldPath, Position] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def add_mistake(self, path: FieldPath, problem: str, remedy: str, *, at_key: bool = False) -> None:
        """Add a mistake at a path, or at its nearest parent that exists in the file."""
        known = {**self.values, **self.keys} if at_key else {**self.keys, **self.values}
        nearest = next((path[:n] for n in range(len(path), 0, -1) if path[:n] in known), ())
        position = known.get(nearest, Position(1))
        column = position.column if nearest == path else None
        self.mistakes.append(Mistake(position.line, column, format_field_path(path), problem, remedy))


def format_field_path(path: FieldPath) -> str:
    """Return a path as text, such as `evaluate.sets[0].name`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def read_document(path: Path) -> Document:
    """Read a YAML file. Errors become mistakes of the document."""
    document = Document()
    try:
        text = _read_text(path)
        _refuse_depth(text)
        root = yaml.compose(text, Loader=_Loader)
    except _UnreadableError as error:
        document.mistakes.append(Mistake(error.position.line, error.position.column, "", *error.args))
    except yaml.MarkedYAMLError as error:
        document.mistakes.append(_explain_syntax(error))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        document.mistakes.append(Mistake(line, None, "", f"the YAML cannot be read: {error.reason}", _remedy(error)))
    else:
        if root is not None:
            document.values[()] = _position(root)
            document.data = _Converter(document).convert(root, ())
    return document


class _UnreadableError(Exception):
    """The content cannot be read. The arguments are problem and remedy."""

    def __init__(self, problem: str, remedy: str, position: Position = Position(1)) -> None:
        super().__init__(problem, remedy)
        self.position = position


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # the compiled one, if it is installed
    """Loader of nodes with YAML 1.2 scalars."""

    yaml_implicit_resolvers: dict[str, list[Any]] = {}  # noqa: RUF012  # pyyaml's own attribute


for _tag, _pattern, _first in (
    ("null", r"(?:~|null|Null|NULL|)", ["~", "n", "N", ""]),
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ("float", r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", list("-+.")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        problem = f"the file cannot be read: {error.strerror}"
        raise _UnreadableError(problem, "check its path and its permissions") from error
    if len(data) > _LARGEST_BYTES:
        problem = f"the file has more than {_LARGEST_BYTES >> 10} KiB"
        raise _UnreadableError(problem, "move data and prompts into separate files")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        position = Position(data.count(b"\n", 0, error.start) + 1)
        problem = f"byte {error.start + 1} of the file is not UTF-8"
        raise _UnreadableError(problem, "save the file as UTF-8", position) from error


def _refuse_depth(text: str) -> None:
    # Checked before composing, which recurses: 100,000 brackets would overflow the stack of the compiled loader.
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            problem = f"values are nested more than {_DEEPEST} deep"
            raise _UnreadableError(problem, "remove the nesting", _position(event))


def _explain_syntax(error: yaml.MarkedYAMLError) -> Mistake:
    mark = error.problem_mark or error.context_mark
    position = Position(mark.line + 1, mark.column + 1) if mark else Position(1)
    what = ", ".join(part for part in (error.context, error.problem) if part)
    return Mistake(position.line, position.column, "", f"the YAML cannot be read: {what}", _remedy(error))


def _remedy(error: yaml.YAMLError) -> str:
    text = str(error)
    fallback = "write `field: value`, indented with spaces"
    return next((remedy for symptom, remedy in _REMEDIES.items() if symptom in text), fallback)


def _position(marked: Any) -> Position:
    return Position(marked.start_mark.line + 1, marked.start_mark.column + 1)


class _Converter:
    """Converter of nodes into plain values, which records the position of each."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._left = _MOST_VALUES

    def convert(self, node: yaml.Node, path: FieldPath) -> Any:
        self._left -= 1
        if self._left == 0:
            self._document.add_mistake(
                (), f"the file has more than {_MOST_VALUES} values", "write fewer, without aliases"
            )
        if self._left <= 0:
            return None
        if len(path) > _DEEPEST:
            self._document.add_mistake(path, "an alias contains itself", "write the value out")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._convert_mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._convert_item(item, (*path, n)) for n, item in enumerate(node.value)]
        return self._convert_scalar(cast("yaml.ScalarNode", node), path)

    def _convert_mapping(self, node: yaml.MappingNode, path: FieldPath) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        self._refuse_tag(node, "map", path)
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._document.add_mistake(path, "a key is a list or a group of fields", "write a word as the key")
                continue
            key = key_node.value
            inner = (*path, key)
            if key in mapping:
                first = self._document.keys[inner].line
                self._document.keys[inner] = _position(key_node)
                problem = f"the key `{key}` is duplicated: it is also on line {first}"
                self._document.add_mistake(inner, problem, "remove one of them", at_key=True)
                continue
            self._document.keys[inner] = _position(key_node)
            if isinstance(value_node, yaml.ScalarNode):
                self._document.values[inner] = _position(value_node)
            mapping[key] = self.convert(value_node, inner)
        return mapping

    def _convert_item(self, node: yaml.Node, path: FieldPath) -> Any:
        self._document.values[path] = _position(node)
        return self.convert(node, path)

    def _convert_scalar(self, node: yaml.ScalarNode, path: FieldPath) -> Any:
        text = str(node.value)
        match str(node.tag).removeprefix("tag:yaml.org,2002:"):
            case "str":
                return text
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int" | "float" as kind:
                return self._convert_number(text, kind, path)
        self._refuse_tag(node, "str", path)
        return text

    def _convert_number(self, text: str, kind: str, path: FieldPath) -> int | float | None:
        try:
            number = float(text) if kind == "float" or len(text) > _MOST_DIGITS else int(text)
        except ValueError:
            number = math.nan
        if math.isfinite(number):
            return number
        self._document.add_mistake(path, f"`{text[:_MOST_DIGITS]}` is not a finite number", "write a number")
        return None

    def _refuse_tag(self, node: yaml.Node, expected: str, path: FieldPath) -> None:
        if node.tag != f"tag:yaml.org,2002:{expected}":
            self._document.add_mistake(path, f"the tag `{node.tag}` is not allowed", "remove the tag")
