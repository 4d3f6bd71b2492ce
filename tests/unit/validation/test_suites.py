"""Suites: loaded from Great Expectations' JSON, or refused with a message."""

import json
from pathlib import Path
from typing import Any

import pytest
from nightloom.core.errors import InputError
from nightloom.recipes.preparation import Prepare
from nightloom.recipes.sources import FilesSource
from nightloom.validation.suites import Suite, digest_suites, load_suite

NOT_NULL: dict[str, Any] = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "text"}}


def write_suite(folder: Path, text: str) -> None:
    (folder / "triage.json").write_text(text, encoding="utf-8")


def test_suite_is_read_from_file(tmp_path: Path) -> None:
    write_suite(tmp_path, json.dumps({"name": "triage", "expectations": [NOT_NULL]}))
    assert load_suite("triage", tmp_path) == Suite("triage", (NOT_NULL,))


def test_missing_suite_lists_known_ones(tmp_path: Path) -> None:
    write_suite(tmp_path, "{}")
    with pytest.raises(
        InputError, match=r"no suite 'tirage' in .*; create tirage.json there. Known: examples, .*, triage"
    ):
        load_suite("tirage", tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"expectations": 3}', "3"])
def test_file_without_suite_is_refused(tmp_path: Path, text: str) -> None:
    write_suite(tmp_path, text)
    with pytest.raises(InputError, match="suite 'triage' is not JSON with a list of `expectations`"):
        load_suite("triage", tmp_path)


def test_standard_suites_come_with_package(tmp_path: Path) -> None:
    write_suite(tmp_path, json.dumps({"expectations": [NOT_NULL]}))
    (tmp_path / "examples.json").write_text(json.dumps({"expectations": [NOT_NULL] * 2}), encoding="utf-8")
    settings = Prepare(source=FilesSource(kind="files", path="rows.csv"), suite="triage")
    ours = digest_suites(settings, tmp_path)
    assert list(ours) == ["records", "records_batch", "examples", "examples_batch", "triage"]
    theirs = digest_suites(settings.model_copy(update={"suite": None}), tmp_path / "nowhere")
    assert [name for name in theirs if theirs[name] != ours[name]] == ["examples"]
