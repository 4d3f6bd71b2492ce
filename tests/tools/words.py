"""`make words`: how the code speaks, and, with `--check`, the words that a reader of this field would not write.

Usage: python tests/tools/words.py [--check | --json] [PATH]

PATH is a checkout, by default this one. The words are in `words.toml` next to this file. They are looked for in

- names that are defined in Python files, and their comments and docstrings
- all texts of the package: log lines, errors, help
- templates, recipes, prompts and docs
"""

import ast
import io
import json
import re
import sys
import tokenize
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]
_PYTHON = ("include", "dags", "plugins", "tests")
_TEXTS = ("include/**/*.j2", "include/**/*.yaml", "docs/**/*.md", "findings/*", "*.md", "Makefile")
_TEXT_PACKAGE = "include"
_DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


class Piece(NamedTuple):
    """A piece of language, and where it is."""

    path: str
    line: int
    text: str
    is_docstring: bool = False


class Offence(NamedTuple):
    """An unwelcome word, and what to write instead."""

    path: str
    line: int
    word: str
    write: str

    def __str__(self) -> str:
        """Write it as compilers do."""
        return f"{self.path}:{self.line}: {self.word!r}; write: {self.write}"


@cache
def read_words() -> dict[str, Any]:
    """Return the lists of words."""
    return tomllib.loads((_HERE / "words.toml").read_text(encoding="utf-8"))


def find_offences(root: Path) -> list[Offence]:
    """Return every unwelcome word of a checkout."""
    return [offence for piece in list_pieces(root) for offence in judge(piece)]


def judge(piece: Piece) -> Iterator[Offence]:
    """Return the unwelcome words of one piece."""
    lists = read_words()
    first = piece.text.split(maxsplit=1)[0] if piece.text.strip() else ""
    if piece.is_docstring and first in lists["starts"]:
        yield Offence(piece.path, piece.line, first, lists["starts"][first])
    text = piece.text
    for allowed in lists["allow"].get(piece.path, ()):
        text = text.replace(allowed, "_" * len(allowed))
    for pattern, write in _patterns():
        for match in pattern.finditer(text):
            yield Offence(piece.path, piece.line + text.count("\n", 0, match.start()), match.group(), write)


def list_pieces(root: Path) -> Iterator[Piece]:
    """Return all language of a checkout."""
    skip = tuple(read_words()["skip"])
    for path in _list_files(root):
        name = path.relative_to(root).as_posix()
        if name.startswith(skip):
            continue
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".py":
            yield from _read_python(name, text)
        else:
            yield Piece(name, 1, text)


def report(root: Path) -> dict[str, Any]:
    """Return first words of docstrings, unwelcome words, lengths of test names, comments and terms of the field."""
    pieces = list(list_pieces(root))
    starts = Counter(piece.text.split(maxsplit=1)[0] for piece in pieces if piece.is_docstring and piece.text.strip())
    texts = [piece.text for piece in pieces]
    source = [line.strip() for path in sorted((root / "include").rglob("*.py")) for line in _read_lines(path)]
    names = sorted(
        len(name.split("_")) - 1 for path in (root / "tests").rglob("test_*.py") for name in _list_tests(path)
    )
    return {
        "docstrings": sum(starts.values()),
        "first words": dict(starts.most_common(15)),
        "unwelcome": dict(Counter(offence.word.lower() for piece in pieces for offence in judge(piece)).most_common()),
        "words a test name": {"median": median(names), "p90": names[int(0.9 * len(names))], "max": names[-1]},
        "comment lines": round(sum(line.startswith("#") for line in source) / sum(map(bool, source)), 4),
        "the field's terms": {term: _count(term, texts) for term in read_words()["field"]},
    }


def _list_files(root: Path) -> Iterator[Path]:
    for folder in _PYTHON:
        yield from sorted((root / folder).rglob("*.py"))
    for pattern in _TEXTS:
        yield from (path for path in sorted(root.glob(pattern)) if path.is_file())


def _read_python(name: str, text: str) -> Iterator[Piece]:
    tree = ast.parse(text)
    docstrings = {id(node.body[0].value): node for node in ast.walk(tree) if _has_docstring(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) in docstrings or name.startswith(_TEXT_PACKAGE):
                yield Piece(name, node.lineno, node.value, id(node) in docstrings)
        else:
            yield from (Piece(name, line, _split(defined)) for defined, line in _list_defined(node))
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield Piece(name, token.start[0], token.string)


def _has_docstring(node: ast.AST) -> bool:
    return isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None


def _list_defined(node: ast.AST) -> Iterator[tuple[str, int]]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name, node.lineno
    elif isinstance(node, ast.arg):
        yield node.arg, node.lineno
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id, node.lineno


def _split(name: str) -> str:
    """Return the words of a name in snake case or camel case."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ")


def _read_lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def _list_tests(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield from (node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name[:5] == "test_")


def _count(term: str, texts: Iterable[str]) -> int:
    pattern = re.compile(re.escape(term).replace(r"\-", "[- ]?").replace(r"\ ", "[- ]"), re.IGNORECASE)
    return sum(len(pattern.findall(text)) for text in texts)


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    words = read_words()["words"].items()
    return tuple((re.compile(rf"(?<![A-Za-z])(?:{word})(?![A-Za-z])", re.IGNORECASE), write) for word, write in words)


def main(arguments: Sequence[str]) -> int:
    """Check or report."""
    options = {argument for argument in arguments if argument.startswith("--")}
    paths = [Path(argument) for argument in arguments if not argument.startswith("--")]
    root = paths[0] if paths else _ROOT
    if "--check" in options:
        offences = find_offences(root)
        sys.stdout.writelines(f"{offence}\n" for offence in offences)
        return 1 if offences else 0
    counted = report(root)
    if "--json" in options:
        sys.stdout.write(json.dumps(counted, indent=2) + "\n")
        return 0
    for name, value in counted.items():
        shown = ", ".join(f"{key} {number}" for key, number in value.items()) if isinstance(value, dict) else value
        sys.stdout.write(f"{name}: {shown}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
