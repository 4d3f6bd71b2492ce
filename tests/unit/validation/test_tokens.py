"""Tokens in suites: rows that are too long or lossy are found, and the byte bound clears others."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from nightloom.artifacts.data import TokenBudget
from nightloom.artifacts.folders import put_folder
from nightloom.artifacts.frames import EXAMPLES, RECORDS
from nightloom.artifacts.models import BaseModelContent, BaseModelManifest, BaseModelProvenance
from nightloom.artifacts.prompts import Prompt, PromptContent, PromptMessage, PromptProvenance
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore
from nightloom.recipes.preparation import Prepare
from nightloom.recipes.schema import AnswerField
from nightloom.recipes.sources import FilesSource
from nightloom.rendering import token_budget as counting
from nightloom.rendering.token_budget import find_bound, measure_folder
from nightloom.validation import tokens as module
from nightloom.validation.checks import Validation, validate_examples, validate_records

ANSWER = {"team": AnswerField(column="team")}
SETTINGS = Prepare(source=FilesSource(kind="files", path="rows.csv"))
SALES = '{"team":"sales"}'
FITS, COMES_BACK = "expect_conversations_to_fit_token_budget", "expect_conversations_to_survive_round_trip"
TURNS = [{"content": "x y z " * 30, "role": "user"}, {"content": "Yes", "role": "assistant"}]
# The model's context is 64 tokens.
LONG = "x y z " * 39 + "x y z"


def freeze(store: ObjectStore, folder: Path, content: str = "{{ text }}") -> TokenBudget:
    base = store.publish(
        BaseModelManifest(
            content=BaseModelContent(files=put_folder(store, folder)), provenance=BaseModelProvenance(source="tiny")
        )
    ).id
    message = PromptMessage(role="user", content=content)
    prompt = store.publish(
        Prompt(content=PromptContent(messages=(message,)), provenance=PromptProvenance(name="triage/1"))
    )
    return TokenBudget(base=base, prompt=prompt.id, output="json", field_order=("team",), most=None)


def forget_capitals(folder: Path, model: Path) -> Path:
    """Copy a model with a lossy tokenizer."""
    shutil.copytree(model, folder)
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer["normalizer"] = {"type": "Lowercase"}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    return folder


def widen(folder: Path, model: Path) -> Path:
    """Copy a model with a context of 200 tokens."""
    shutil.copytree(model, folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 200}), encoding="utf-8")
    return folder


def write_suite(folder: Path) -> Path:
    """Write a recipe's suite with both expectations."""
    folder.mkdir()
    kwargs = {"column_list": ["text", "history", "answer"], "budget": {"$PARAMETER": "token_budget"}}
    document = {"name": "triage", "expectations": [{"type": name, "kwargs": kwargs} for name in (FITS, COMES_BACK)]}
    (folder / "triage.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def check_records(
    folder: Path, tokens: TokenBudget | None, *rows: tuple[str, str | None, str | None, Any]
) -> Validation:
    lines = [(row_id, "", text, answer, None, turns, False, None) for row_id, text, answer, turns in rows]
    frame = pl.DataFrame(lines, RECORDS, orient="row")
    settings = SETTINGS.model_copy(update={"suite": "triage"})
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    return validate_records(lambda: [frame], ANSWER, settings, folder, cut_to=moment, tokens=tokens)


def check_examples(tokens: TokenBudget, *texts: str, **more: Any) -> dict[str, int]:
    """Return the number of failed rows for both expectations, which must not refuse the batch."""
    lines = [(f"T{n}", f"c{n}", "train", text, SALES, None, None) for n, text in enumerate(texts)]
    frame = pl.DataFrame(lines, EXAMPLES, orient="row")
    found = validate_examples(lambda: [frame], ANSWER, SETTINGS, Path("nowhere"), tokens=tokens, **more)
    assert found.refusal is None
    return {one.name: one.unexpected for one in found.expectations if one.name in (FITS, COMES_BACK)}


@pytest.fixture
def here(store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Count tokens in this process with the store in memory, and record the requests."""
    monkeypatch.setenv("NIGHTLOOM_VAR_DIR", str(tmp_path / "var"))
    for cached in (get_settings, module._measure):
        cached.cache_clear()
    asked: list[str] = []

    def run(**arguments: Any) -> Any:
        asked.append("measured")
        return json.loads(json.dumps(measure_folder(**json.loads(json.dumps(arguments)))))

    monkeypatch.setattr(module, "in_child", lambda _: run)
    monkeypatch.setattr(counting, "open_store", lambda: store)
    yield asked
    get_settings.cache_clear()


@pytest.mark.usefixtures("here")
def test_suite_quarantines_long_conversations(store: ObjectStore, tiny_model: Path, tmp_path: Path) -> None:
    validation = check_records(
        write_suite(tmp_path / "suites"),
        freeze(store, forget_capitals(tmp_path / "model", tiny_model)),
        ("sound", "hello", SALES, None),
        ("long", LONG, SALES, None),
        ("long turns", "hello", SALES, TURNS),
        ("capitals", "Hello", SALES, None),
        ("no answer", LONG, None, None),
        ("no text", None, SALES, None),
    )
    assert validation.failures.select("row_id", "rule").rows() == [
        ("capitals", COMES_BACK),
        ("long", FITS),
        ("long turns", FITS),
    ]


def test_only_long_examples_are_encoded(store: ObjectStore, tiny_model: Path, tmp_path: Path, here: list[str]) -> None:
    tokens = freeze(store, widen(tmp_path / "model", tiny_model))
    bound = find_bound(store, tokens)
    assert check_examples(tokens, "hello", "Hi", bound=bound) == {FITS: 0, COMES_BACK: 0}
    assert here == []
    assert check_examples(tokens, "hello", f"{LONG} {LONG} {LONG}", bound=bound) == {FITS: 1, COMES_BACK: 0}
    assert check_examples(tokens, "hello", f"{LONG} {LONG} {LONG}") == {FITS: 1, COMES_BACK: 0}
    # Once for both expectations.
    assert here == ["measured"] * 2


def test_lossy_examples_are_counted(store: ObjectStore, tiny_model: Path, tmp_path: Path, here: list[str]) -> None:
    tokens = freeze(store, forget_capitals(tmp_path / "model", tiny_model))
    counts = check_examples(tokens, "hello", "Hello", "HELLO", bound=find_bound(store, tokens))
    assert (counts, len(here)) == ({FITS: 0, COMES_BACK: 2}, 1)


def test_model_without_tokenizer_expects_nothing(tmp_path: Path) -> None:
    validation = check_records(write_suite(tmp_path / "suites"), None, ("long", LONG, SALES, None))
    assert (validation.refusal, len(validation.failures)) == (None, 0)
