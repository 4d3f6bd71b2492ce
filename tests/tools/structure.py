"""`make structure`: the sizes of modules, functions, packages and tests, and, with `--check`, what is too long.

Usage: python tests/tools/structure.py [--check | --json] [PATH]

PATH is a checkout, by default this one. Its source is `include/`, its tests are `tests/`. A percentile is the value
below which that share of the values lies.

- modules: lines of each source file but `__init__.py`
- functions: lines from `def` to the last line, with signature and docstring, without decorators
- parameters: without `self` and `cls`
- packages: the folders below `nightloom`; their shares are of all source lines
- private functions: named `_like_this`; one use is one mention in their own module
- docstrings and comments: shares of the lines that are not blank; a comment is a line of its own
- test words: words of a test's name after `test_`
"""

import ast
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import NamedTuple

_SHOWN = 10
_SHORT = 3
_MANY_PARAMETERS = 4
_MOST_MODULE_LINES = 355
_MOST_FUNCTION_LINES = 63
_MOST_TEST_WORDS = 8

_Function = ast.FunctionDef | ast.AsyncFunctionDef


class Spread(NamedTuple):
    """How large the values are: the middle one, the one that a tenth exceeds, and the largest."""

    median: float
    p90: float
    max: float


class Named(NamedTuple):
    """A value, and whose it is."""

    name: str
    value: float


@dataclass(frozen=True)
class Structure:
    """What was counted in one checkout."""

    modules: int
    source_lines: int
    module_lines: Spread
    functions: int
    function_lines: Spread
    longest_functions: list[Named]
    parameters: Spread
    over_4_parameters: float
    longest_parameter_lists: list[Named]
    largest_packages: list[Named]
    private_functions: int
    private_with_one_use: int
    private_with_one_use_up_to_3_lines: int
    docstring_share: float
    comment_share: float
    tests: int
    test_lines: Spread
    test_words: Spread


@dataclass(frozen=True)
class _Module:
    path: Path
    lines: list[str]
    tree: ast.Module

    @property
    def functions(self) -> Iterator[_Function]:
        return (node for node in ast.walk(self.tree) if isinstance(node, _Function))


def measure(root: Path) -> Structure:
    """Return the sizes of the source and the tests of a checkout."""
    source = list(_read_modules(root / "include", "*.py"))
    modules = [module for module in source if module.path.name != "__init__.py"]
    functions = [(f"{module.path}:{f.name}", f) for module in source for f in module.functions]
    parameters = [Named(name, _count_parameters(f)) for name, f in functions]
    sizes = [Named(name, _count_lines(f)) for name, f in functions]
    private = [f for _, f in functions if _is_private(f.name)]
    used_once = [f for module in source for f in _list_private_with_one_use(module)]
    tests = [test for _, test in _list_tests(root)]
    written = [line.strip() for module in source for line in module.lines if line.strip()]
    return Structure(
        modules=len(modules),
        source_lines=sum(len(module.lines) for module in source),
        module_lines=_spread([len(module.lines) for module in modules]),
        functions=len(functions),
        function_lines=_spread([size.value for size in sizes]),
        longest_functions=_largest(sizes),
        parameters=_spread([count.value for count in parameters]),
        over_4_parameters=_share(sum(count.value > _MANY_PARAMETERS for count in parameters), len(functions)),
        longest_parameter_lists=_largest(parameters),
        largest_packages=_measure_packages(source),
        private_functions=len(private),
        private_with_one_use=len(used_once),
        private_with_one_use_up_to_3_lines=sum(_count_lines(f) <= _SHORT for f in used_once),
        docstring_share=_share(sum(_count_docstring_lines(module) for module in source), len(written)),
        comment_share=_share(sum(line.startswith("#") for line in written), len(written)),
        tests=len(tests),
        test_lines=_spread([_count_lines(test) for test in tests]),
        test_words=_spread([_count_words(test) for test in tests]),
    )


def find_excess(root: Path) -> Iterator[str]:
    """Return each module, function and name of a test that is too long, and what to do about it."""
    for module in _read_modules(root / "include", "*.py"):
        if len(module.lines) > _MOST_MODULE_LINES:
            advice = "move one of its purposes into a module that says so in its first line"
            yield _describe_excess(f"include/{module.path}", len(module.lines), "lines", _MOST_MODULE_LINES, advice)
        for function in module.functions:
            if (lines := _count_lines(function)) > _MOST_FUNCTION_LINES:
                where = f"include/{module.path}:{function.lineno}: {function.name}"
                yield _describe_excess(where, lines, "lines", _MOST_FUNCTION_LINES, "divide it by its steps")
    for path, test in _list_tests(root):
        if (words := _count_words(test)) > _MOST_TEST_WORDS:
            where = f"tests/{path}:{test.lineno}: {test.name}"
            yield _describe_excess(where, words, "words", _MOST_TEST_WORDS, "name its subject and verb in about five")


def _describe_excess(where: str, found: int, unit: str, most: int, advice: str) -> str:
    return f"{where} has {found} {unit}, and may have {most}; {advice}"


def _list_tests(root: Path) -> Iterator[tuple[Path, _Function]]:
    for module in _read_modules(root / "tests", "test_*.py"):
        yield from ((module.path, f) for f in module.functions if f.name.startswith("test_"))


def _count_words(test: _Function) -> int:
    return len(test.name.split("_")) - 1


def _read_modules(folder: Path, pattern: str) -> Iterator[_Module]:
    for path in sorted(folder.rglob(pattern)):
        text = path.read_text(encoding="utf-8")
        yield _Module(path.relative_to(folder), text.splitlines(), ast.parse(text))


def _spread(values: Iterable[float]) -> Spread:
    ordered = sorted(values) or [0]
    return Spread(median(ordered), ordered[int(0.9 * len(ordered))], ordered[-1])


def _largest(values: Iterable[Named]) -> list[Named]:
    return sorted(values, key=lambda one: (-one.value, one.name))[:_SHOWN]


def _share(part: int, whole: int) -> float:
    return round(part / max(1, whole), 4)


def _count_lines(function: _Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def _count_parameters(function: _Function) -> int:
    arguments = function.args
    named = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    rest = (arguments.vararg is not None) + (arguments.kwarg is not None)
    return len(named) - (named[:1] in (["self"], ["cls"])) + rest


def _measure_packages(source: Sequence[_Module]) -> list[Named]:
    lines: Counter[str] = Counter()
    for module in source:
        # A file outside the packages belongs to none.
        if module.path.parts[2:]:
            lines[module.path.parts[1]] += len(module.lines)
    whole = sum(len(module.lines) for module in source)
    return _largest(Named(package, _share(count, whole)) for package, count in lines.items())


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _list_private_with_one_use(module: _Module) -> Iterator[_Function]:
    nodes = ast.walk(module.tree)
    uses = Counter(
        n.id if isinstance(n, ast.Name) else n.attr for n in nodes if isinstance(n, ast.Name | ast.Attribute)
    )
    return (f for f in module.functions if _is_private(f.name) and uses[f.name] == 1)


def _count_docstring_lines(module: _Module) -> int:
    holders = (node for node in ast.walk(module.tree) if isinstance(node, ast.Module | ast.ClassDef | _Function))
    texts = [holder.body[0] for holder in holders if ast.get_docstring(holder) is not None]
    return sum(bool(line.strip()) for text in texts for line in module.lines[text.lineno - 1 : text.end_lineno])


def _describe(found: Structure) -> Iterator[str]:
    one_use = _share(found.private_with_one_use, found.private_functions)
    yield f"source           {found.source_lines} lines in {found.modules} modules"
    yield f"module lines     {_show(found.module_lines)}"
    yield f"function lines   {_show(found.function_lines)}, {found.functions} functions"
    yield f"parameters       {_show(found.parameters)}, {found.over_4_parameters:.1%} over {_MANY_PARAMETERS}"
    yield (
        f"private          {_share(found.private_functions, found.functions):.0%} of the functions; "
        f"{one_use:.0%} of them with one use "
        f"({found.private_with_one_use}; {found.private_with_one_use_up_to_3_lines} of up to {_SHORT} lines)"
    )
    yield f"docstrings       {found.docstring_share:.1%} of the lines, comments {found.comment_share:.1%}"
    yield f"test lines       {_show(found.test_lines)}, {found.tests} tests"
    yield f"words of a name  {_show(found.test_words)}"
    yield "\nlargest packages"
    yield from (f"  {value:6.1%}  {name}" for name, value in found.largest_packages)
    yield "\nlongest parameter lists"
    yield from (f"  {value:6}  {name}" for name, value in found.longest_parameter_lists)
    yield "\nlongest functions"
    yield from (f"  {value:6}  {name}" for name, value in found.longest_functions)


def _show(spread: Spread) -> str:
    return f"median {spread.median:g}, p90 {spread.p90:g}, max {spread.max:g}"


def main(arguments: Sequence[str]) -> int:
    """Check the sizes of a checkout, or write them."""
    options = {argument for argument in arguments if argument.startswith("--")}
    paths = [Path(argument) for argument in arguments if argument not in options]
    root = paths[0] if paths else Path(__file__).parents[2]
    if "--check" in options:
        excess = list(find_excess(root))
        sys.stdout.writelines(f"{one}\n" for one in excess)
        return 1 if excess else 0
    found = measure(root)
    text = json.dumps(asdict(found), indent=2) if "--json" in options else "\n".join(_describe(found))
    sys.stdout.write(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
