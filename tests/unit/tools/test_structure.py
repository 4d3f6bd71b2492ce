import json
from pathlib import Path

import pytest

from tests.tools.structure import Named, Spread, Structure, main, measure

MODULE = '''"""What it is."""


class Pile:
    def put(self, one, two, three, four, *more):
        # Whoever puts much puts it once.
        return _once(one) + _twice(two) + _twice(three)


def _once(value):
    return value


def _twice(value):
    """Return it doubled,

    at once.
    """
    return 2 * value
'''
TESTS = """\
def test_pile_grows():
    assert True


def test_pile_never_shrinks():
    assert True
    assert True
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    package = tmp_path / "include" / "nightloom" / "piles"
    package.mkdir(parents=True)
    (tmp_path / "tests").mkdir()
    (package / "__init__.py").write_text('"""Piles."""\n')
    (package / "pile.py").write_text(MODULE)
    (package.parent / "version.py").write_text("one = 1\n")
    (tmp_path / "tests" / "test_pile.py").write_text(TESTS)
    return tmp_path


@pytest.fixture
def found(checkout: Path) -> Structure:
    return measure(checkout)


def test_modules_are_counted_without_init(found: Structure) -> None:
    assert (found.modules, found.source_lines) == (2, 21)
    assert found.module_lines == Spread(10, 19, 19)
    assert found.largest_packages == [Named("piles", 0.9524)]


def test_functions_are_counted_with_docstring(found: Structure) -> None:
    assert (found.functions, found.function_lines) == (3, Spread(3, 6, 6))
    assert found.longest_functions[0] == Named("nightloom/piles/pile.py:_twice", 6)


def test_parameters_are_counted_without_self(found: Structure) -> None:
    assert (found.parameters, found.over_4_parameters) == (Spread(1, 5, 5), 0.3333)
    assert found.longest_parameter_lists[0] == Named("nightloom/piles/pile.py:put", 5)


def test_private_function_with_one_use_is_found(found: Structure) -> None:
    counts = (found.private_functions, found.private_with_one_use, found.private_with_one_use_up_to_3_lines)
    assert counts == (2, 1, 1)


def test_docstrings_and_comments_are_shares(found: Structure) -> None:
    assert (found.docstring_share, found.comment_share) == (0.3571, 0.0714)


def test_tests_are_counted_with_their_words(found: Structure) -> None:
    assert (found.tests, found.test_lines, found.test_words) == (2, Spread(2.5, 3, 3), Spread(2.5, 3, 3))


def test_json_has_the_same_counts(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--json", str(checkout)])
    assert json.loads(capsys.readouterr().out)["function_lines"] == [3, 6, 6]


def test_text_names_the_longest(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(checkout)])
    assert "parameters       median 1, p90 5, max 5, 33.3% over 4\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("path", "text", "excess"),
    [
        pytest.param(
            "include/pile.py", "one = 1\n" * 356, ["include/pile.py has 356 lines, and may have 355"], id="module"
        ),
        pytest.param("include/pile.py", "one = 1\n" * 355, [], id="largest module"),
        pytest.param(
            "include/__init__.py", "one = 1\n" * 356, ["include/__init__.py has 356 lines, and may have 355"], id="init"
        ),
        pytest.param("tests/test_pile.py", "one = 1\n" * 356, [], id="module of tests"),
        pytest.param(
            "include/pile.py",
            "\nasync def put():\n" + "    put()\n" * 63,
            ["include/pile.py:2: put has 64 lines, and may have 63"],
            id="function",
        ),
        pytest.param(
            "include/pile.py",
            "class Pile:\n    def put(self):\n" + "        put()\n" * 63,
            ["include/pile.py:2: put has 64 lines, and may have 63"],
            id="method",
        ),
        pytest.param("include/pile.py", "def put():\n" + "    put()\n" * 62, [], id="longest function"),
        pytest.param(
            "tests/unit/test_pile.py",
            "def test_a_pile_of_dry_hay_is_never_too_large(): ...\n",
            ["tests/unit/test_pile.py:1: test_a_pile_of_dry_hay_is_never_too_large has 9 words, and may have 8"],
            id="name of a test",
        ),
        pytest.param("tests/test_pile.py", "def test_a_pile_of_hay_is_never_too_large(): ...\n", [], id="longest name"),
        pytest.param("tests/pile.py", "def test_a_pile_of_dry_hay_is_never_too_large(): ...\n", [], id="no test"),
    ],
)
def test_excess_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], path: str, text: str, excess: list[str]
) -> None:
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(text)
    assert main(["--check", str(tmp_path)]) == bool(excess)
    assert [line.partition(";")[0] for line in capsys.readouterr().out.splitlines()] == excess
