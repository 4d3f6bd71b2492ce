"""YAML is read strictly, and every value keeps its position."""

from pathlib import Path

import pytest
from nightloom.recipes.documents import Document, Position, read_document


def read(tmp_path: Path, content: str | bytes) -> Document:
    path = tmp_path / "document.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_document(path)


def problem(document: Document) -> tuple[int, str]:
    (mistake,) = document.mistakes
    return mistake.line, mistake.problem


def test_scalars_follow_yaml_1_2(tmp_path: Path) -> None:
    text = "{word: no, time: 10:30, rate: 4e-3, date: 2026-11-23, count: 010, big: 1_000, yes: true, empty: ~}"
    assert read(tmp_path, text).data == {
        "word": "no",
        "time": "10:30",
        "rate": 0.004,
        "date": "2026-11-23",
        "count": 10,
        "big": "1_000",
        "yes": True,
        "empty": None,
    }


def test_keys_and_values_have_positions(tmp_path: Path) -> None:
    document = read(tmp_path, "a: 1\nb:\n  - c: x\n  - y\n")
    assert document.data == {"a": 1, "b": [{"c": "x"}, "y"]}
    assert document.values["a",] == Position(1, 4)
    assert document.values["b", 0, "c"] == Position(3, 8)
    assert document.values["b", 1] == Position(4, 5)
    assert document.keys["b",] == Position(2, 1)


def test_duplicate_key_is_refused(tmp_path: Path) -> None:
    document = read(tmp_path, "a: 1\nb: 2\na: 3\n")
    assert problem(document) == (3, "the key `a` is duplicated: it is also on line 1")
    assert document.data == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("text", "line", "remedy"),
    [
        pytest.param("a: 1\n\tb: 2\n", 2, "indent with spaces", id="tab"),
        pytest.param("a: 1\nb: c: d\n", 2, "put text with a colon in quotes", id="colon"),
        pytest.param("a: 1\n b: 2\n", 2, "put text with a colon in quotes, and check the indentation", id="indent"),
        pytest.param("a: [1, 2\nb: 3\n", 2, "write `field: value`", id="bracket"),
        pytest.param("a: 1\n---\nb: 2\n", 2, "leave one document", id="two"),
        pytest.param("a: *b\n", 1, "write the value out", id="alias"),
        pytest.param("a: 1\nb: \x01\n", 2, "remove the character", id="control"),
    ],
)
def test_broken_yaml_has_line_and_remedy(tmp_path: Path, text: str, line: int, remedy: str) -> None:
    document = read(tmp_path, text)
    assert problem(document)[0] == line
    assert document.mistakes[0].remedy.startswith(remedy)
    assert document.data is None


def test_invalid_utf8_is_refused(tmp_path: Path) -> None:
    assert problem(read(tmp_path, b"a: 1\nb: \xff\n")) == (2, "byte 9 of the file is not UTF-8")


def test_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xef\xbb\xbfa: 1\n").data == {"a": 1}


def test_large_file_is_refused(tmp_path: Path) -> None:
    assert problem(read(tmp_path, "#" * 300_000)) == (1, "the file has more than 256 KiB")


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 60_000, "- " * 100_000], ids=["lists", "groups", "dashes"])
def test_absurd_nesting_is_refused(tmp_path: Path, text: str) -> None:
    assert problem(read(tmp_path, text)) == (1, "values are nested more than 24 deep")


def test_alias_is_replaced_by_its_value(tmp_path: Path) -> None:
    assert read(tmp_path, "a: &x [1]\nb: *x\n").data == {"a": [1], "b": [1]}


def test_alias_bomb_is_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    assert problem(read(tmp_path, "\n".join(lines))) == (1, "the file has more than 20000 values")


def test_recursive_alias_is_refused(tmp_path: Path) -> None:
    assert problem(read(tmp_path, "a: &a [*a]\n")) == (1, "an alias contains itself")


@pytest.mark.parametrize("text", ["a: .nan", "a: -.inf", "a: 1e999", f"a: {'9' * 400}"])
def test_infinite_number_is_refused(tmp_path: Path, text: str) -> None:
    line, words = problem(read(tmp_path, text))
    assert (line, words.endswith("is not a finite number")) == (1, True)


@pytest.mark.parametrize(
    "text", ["a: !!python/object:os.system x", "a: !!binary aGk=", "a: !own {b: 1}", "a: !!set {b}"]
)
def test_tag_is_refused(tmp_path: Path, text: str) -> None:
    assert "is not allowed" in problem(read(tmp_path, text))[1]


def test_complex_key_is_refused(tmp_path: Path) -> None:
    assert problem(read(tmp_path, "a: {[1, 2]: b}\n")) == (1, "a key is a list or a group of fields")
