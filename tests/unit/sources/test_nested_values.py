"""Nested values: a list or an object in place of a text is never learned as the text of its structure."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from nightloom.artifacts.reading import read_records
from nightloom.core.errors import SchemaError
from nightloom.core.store import ObjectStore
from nightloom.recipes.schema import AnswerField, Columns
from nightloom.recipes.sources import FilesSource
from nightloom.sources.extract import extract_records

TEXTS = Columns(key="id", text="body", slice="lang")
TEAM = {"team": AnswerField(column="team")}
SIDES = Columns(key="id", chat="prompt_completion")
REPLY = {"reply": AnswerField()}
PLAIN = {"id": "0", "body": "the kettle leaks", "team": "a", "lang": "en"}


def read(
    store: ObjectStore, folder: Path, rows: list[dict[str, Any]], columns: Columns, answer: dict[str, AnswerField]
) -> list[dict[str, Any]]:
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    source = FilesSource(kind="files", path=str(folder / "rows.jsonl"))
    records = extract_records(store, source, columns, answer, night=None, window_days=1)
    return read_records(store, records.id).sort("row_id").to_dicts()


@pytest.mark.parametrize(
    ("column", "value"),
    [("body", ["a", "b"]), ("team", {"name": "a"}), ("lang", ["en"]), ("body", {"html": "<b>"}), ("team", [])],
)
def test_structure_in_place_of_text_is_a_fault(store: ObjectStore, tmp_path: Path, column: str, value: Any) -> None:
    rows = [PLAIN, {**PLAIN, "id": "1", column: value}]
    first, second = read(store, tmp_path, rows, TEXTS, TEAM)
    assert first["fault"] is None
    assert second["fault"] == {"measured": f"column '{column}' holds a list or an object", "rule": "not_a_text"}


def test_text_of_a_structure_stays_a_text(store: ObjectStore, tmp_path: Path) -> None:
    (row,) = read(store, tmp_path, [{**PLAIN, "body": '["a", "b"]', "team": '{"name": "a"}'}], TEXTS, TEAM)
    assert (row["text"], row["answer"], row["fault"]) == ('["a", "b"]', '{"team":"{\\"name\\": \\"a\\"}"}', None)


def test_structures_after_first_batch_are_faults(store: ObjectStore, tmp_path: Path) -> None:
    rows = [{**PLAIN, "id": f"{n:05}"} for n in range(5000)]
    found = read(store, tmp_path, [*rows, {**PLAIN, "id": "1", "body": ["a"]}], TEXTS, TEAM)
    assert [row["row_id"] for row in found if row["fault"]] == ["1"]


def test_column_of_structures_refuses_source(store: ObjectStore, tmp_path: Path) -> None:
    pq.write_table(pa.table({"instruction": ["a"], "output": [["b"]]}), tmp_path / "x.parquet")
    source = FilesSource(kind="files", path=str(tmp_path / "x.parquet"))
    with pytest.raises(SchemaError, match=r"column 'output' .* holds lists or objects instead of texts"):
        extract_records(store, source, Columns(chat="alpaca"), REPLY, night=None, window_days=1)


@pytest.mark.parametrize("column", ["instruction", "input", "output"])
def test_alpaca_holds_texts_alone(store: ObjectStore, tmp_path: Path, column: str) -> None:
    plain = {"id": "0", "instruction": "Name it.", "input": "a pear", "output": "fruit"}
    rows = [plain, {**plain, "id": "1", column: {"text": "a"}}]
    first, second = read(store, tmp_path, rows, Columns(key="id", chat="alpaca"), REPLY)
    assert (first["fault"], second["fault"]["rule"]) == (None, "not_a_text")


@pytest.mark.parametrize(
    ("prompt", "completion"),
    [
        pytest.param("Where?", {"role": "assistant", "content": "There."}, id="one message"),
        pytest.param({"from": "human", "value": "Where?"}, {"from": "gpt", "value": "There."}, id="one of ShareGPT"),
        pytest.param({"messages": [{"role": "user", "content": "Where?"}]}, "There.", id="object with messages"),
        pytest.param("Where?", {"content": "There."}, id="content alone"),
        pytest.param("Where?", [{"type": "text", "text": "There."}], id="parts"),
        pytest.param("Where?", '{"role": "assistant", "content": "There."}', id="text of a message"),
    ],
)
def test_side_is_read_as_message(store: ObjectStore, tmp_path: Path, prompt: Any, completion: Any) -> None:
    (row,) = read(store, tmp_path, [{"id": "1", "prompt": prompt, "completion": completion}], SIDES, REPLY)
    assert (row["text"], row["answer"], row["fault"]) == ("Where?", '{"reply":"There."}', None)


@pytest.mark.parametrize(
    ("completion", "text"),
    [
        pytest.param('{"team": "a"}', '{"team": "a"}', id="object"),
        pytest.param('{"role": "admin", "name": "Ann"}', '{"role": "admin", "name": "Ann"}', id="role of a person"),
        pytest.param("[1, 2]", "[1, 2]", id="list"),
    ],
)
def test_answer_in_json_stays_a_text(store: ObjectStore, tmp_path: Path, completion: str, text: str) -> None:
    (row,) = read(store, tmp_path, [{"id": "1", "prompt": "Where?", "completion": completion}], SIDES, REPLY)
    assert (json.loads(row["answer"]), row["fault"]) == ({"reply": text}, None)


@pytest.mark.parametrize("completion", [{"team": "a"}, ["There."], [{"type": "image", "url": "x"}], {"content": 3}])
def test_structure_that_is_no_message_is_a_fault(store: ObjectStore, tmp_path: Path, completion: Any) -> None:
    (row,) = read(store, tmp_path, [{"id": "1", "prompt": "Where?", "completion": completion}], SIDES, REPLY)
    assert row["fault"] == {"measured": "its completion is neither a text nor a list of messages", "rule": "not_a_chat"}
