"""Marks: what is next to a conversation, for all of it or a value a message, is obeyed or refuses the row."""

import json
import math
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from nightloom.artifacts.reading import read_records
from nightloom.conversations.chats import Chat, read_chat
from nightloom.core.errors import SchemaError
from nightloom.core.store import ObjectStore
from nightloom.recipes.schema import AnswerField, Columns
from nightloom.recipes.sources import DeltaSource, FilesSource, Source, SqlSource
from nightloom.sources.extract import extract_records

TURNS = [
    {"role": "user", "content": "q1"},
    {"role": "assistant", "content": "a1"},
    {"role": "user", "content": "q2"},
    {"role": "assistant", "content": "a2"},
]
NOT_LEARNED = "every answer in it is marked as not to be learned"


def write(folder: Path, kind: str, rows: list[dict[str, Any]]) -> FilesSource:
    path = folder / f"x.{kind}"
    if kind == "csv":
        texts = [{name: as_csv(value) for name, value in row.items()} for row in rows]
        path.write_text(pl.DataFrame(texts, infer_schema_length=None).write_csv())
    elif kind in ("parquet", "arrow"):
        return write_table(path, pa.Table.from_pylist(rows))
    else:
        path.write_text("\n".join(map(json.dumps, rows)))
    return FilesSource(kind="files", path=str(path))


def write_table(path: Path, table: pa.Table) -> FilesSource:
    if path.suffix == ".arrow":
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
    elif path.suffix == ".csv":
        pa.csv.write_csv(table, path)
    else:
        pq.write_table(table, path)
    return FilesSource(kind="files", path=str(path))


def as_csv(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def extract(store: ObjectStore, source: Source, chat: str = "m", *, answered: bool = True) -> Any:
    columns, answer = Columns(key="id", chat=chat), {"reply": AnswerField()} if answered else {}
    return extract_records(store, source, columns, answer, night=None, window_days=1)


def learn(store: ObjectStore, source: Source, chat: str = "m") -> tuple[str | None, str | None]:
    """Return the answer and the reason of the only row."""
    [row] = read_records(store, extract(store, source, chat).id).rows(named=True)
    return row["answer"] and json.loads(row["answer"])["reply"], row["fault"] and row["fault"]["measured"]


CASES = [
    pytest.param({"loss_mask": [0, 1, 0, 0]}, ("a1", None), id="mask of messages"),
    pytest.param({"trainMask": [False, True, False, True]}, ("a2", None), id="capitals"),
    pytest.param({"weights": [1.0, 1.0, 1.0, 0.0]}, ("a1", None), id="weights"),
    pytest.param({"masked": [1, 1, 1, 0]}, ("a2", None), id="the other way round"),
    pytest.param({"loss_masks": [0, 0, 0, 0]}, (None, NOT_LEARNED), id="none"),
    pytest.param({"lossMask": 0}, (None, NOT_LEARNED), id="one value"),
    pytest.param({"isExcluded": True}, (None, NOT_LEARNED), id="question"),
    pytest.param({"train_on_inputs": False, "maskPrompt": True}, ("a2", None), id="what is done anyway"),
    pytest.param(
        {"trainOnInputs": True},
        (None, "it has a 'trainOnInputs' that asks for its questions to be learned; only answers are"),
        id="questions",
    ),
    pytest.param({"loss_mask": [0, 1]}, (None, "it has a 'loss_mask' with 2 values for 4 messages"), id="too short"),
    pytest.param({"weights": [1] * 5}, (None, "it has a 'weights' with 5 values for 4 messages"), id="too long"),
    pytest.param(
        {"weights": [1, 0.5, 1, 1]}, (None, "it has a 'weights' that is neither 0 nor 1 for each message"), id="halves"
    ),
    pytest.param(
        {"do_train": False},
        (None, "it has a key 'do_train', which may say whether it is learned; write `weight` with 0 or 1 instead"),
        id="unknown",
    ),
    pytest.param(
        {"mask": [1, 1, 1, 0]},
        (None, "it has a key 'mask', which may say whether it is learned; write `weight` with 0 or 1 instead"),
        id="unknown list",
    ),
    pytest.param({"finish_reason": "length"}, (None, "it ended before it was complete"), id="cut off"),
    pytest.param({"status": "discarded"}, (None, "it was discarded"), id="discarded"),
    pytest.param({"attention_mask": [1, 1, 0], "finish_reason": "stop"}, ("a2", None), id="tokens"),
]


METADATA = [
    pytest.param({"metadata": {"train": False, "desk": 4}}, (None, NOT_LEARNED), id="metadata"),
    pytest.param({"extraInfo": {"lossMask": [0, 1, 0, 0], "weight": 70.5}}, ("a1", None), id="list in metadata"),
]
MADE = [(kind, *case.values) for kind in ("jsonl", "csv", "parquet", "arrow") for case in CASES]
MADE += [(kind, *case.values) for kind in ("jsonl", "parquet", "arrow") for case in METADATA]


@pytest.mark.parametrize(("marks", "learned"), [*CASES, *METADATA])
def test_mark_next_to_messages_is_obeyed(marks: dict[str, Any], learned: tuple[str | None, str | None]) -> None:
    chat = read_chat("m", {"m": json.dumps({"messages": TURNS, **marks})})
    assert (chat.answer, chat.fault and chat.fault.measured) == learned


@pytest.mark.parametrize(("kind", "marks", "learned"), MADE)
def test_mark_in_column_is_obeyed(
    store: ObjectStore, tmp_path: Path, kind: str, marks: dict[str, Any], learned: tuple[str | None, str | None]
) -> None:
    assert learn(store, write(tmp_path, kind, [{"id": "1", "m": TURNS, **marks}])) == learned


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize(
    "other",
    [
        {"weights": [2.5, 3.1]},
        {"training_course": "Java", "training_level": 1, "weight": 70.5},
        {"rejected": "Yes.", "train": "the night train"},
    ],
)
def test_column_of_that_name_may_be_another(
    store: ObjectStore, tmp_path: Path, kind: str, other: dict[str, Any]
) -> None:
    source = write(tmp_path, kind, [{"id": "1", "m": TURNS, **other}])
    assert learn(store, source) == ("a2", None)
    assert extract(store, source).content.unread == dict.fromkeys(sorted(other), 1)


@pytest.mark.parametrize("format_", ["prompt_completion", "alpaca"])
def test_mask_counts_messages_of_all_columns(store: ObjectStore, tmp_path: Path, format_: str) -> None:
    row = {"id": "1", "prompt": TURNS[:3], "completion": "a2", "instruction": "q2", "output": "a2"}
    history = [["q1", "a1"]] if format_ == "alpaca" else None
    mask = [0, 0] if format_ == "alpaca" else [0, 1, 0, 0]
    source = write(tmp_path, "jsonl", [{**row, "history": history, "loss_mask": mask}])
    assert learn(store, source, format_) == ((None, NOT_LEARNED) if format_ == "alpaca" else ("a1", None))


def test_mask_counts_null_messages() -> None:
    turns = [None, *TURNS[:2], {"role": None, "content": None}]
    chat = read_chat("m", {"m": json.dumps({"messages": turns, "loss_mask": [0, 0, 1, 0]})})
    assert chat == Chat("q1", None, "a1")


def test_marks_say_nothing_about_questions(store: ObjectStore, tmp_path: Path) -> None:
    source = write(tmp_path, "jsonl", [{"id": "1", "m": TURNS[:3], "train": False, "loss_mask": [0]}])
    found = read_records(store, extract(store, source, answered=False).id)
    assert found.select("text", "fault").rows() == [("q2", None)]


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet", "arrow"])
def test_columns_next_to_messages_are_counted(store: ObjectStore, tmp_path: Path, kind: str) -> None:
    rows = [
        {"id": "1", "m": TURNS, "persona": "pirate", "score": 0.0, "tags": ["a"], "note": {"a": None, "b": "x"}},
        {"id": "2", "m": TURNS, "persona": None, "score": 1.0, "tags": [], "note": {"a": None, "b": None}},
        {
            "id": "3",
            "m": [{**TURNS[0], "persona": "x"}, TURNS[1]],
            "persona": "y",
            "score": 2,
            "tags": [],
            "note": None,
        },
    ]
    unread = {"note": 2 if kind == "csv" else 1, "persona": 2, "score": 3, "tags": 1}
    assert extract(store, write(tmp_path, kind, rows)).content.unread == unread


def test_missing_number_is_not_counted(store: ObjectStore, tmp_path: Path) -> None:
    rows = [{"id": "1", "m": TURNS, "score": math.nan, "train": math.nan}, {"id": "2", "m": TURNS, "score": 0.5}]
    records = extract(store, write(tmp_path, "parquet", rows))
    assert records.content.unread == {"score": 1}
    assert read_records(store, records.id)["fault"].null_count() == 2


@pytest.mark.parametrize("kind", ["csv", "parquet", "arrow"])
def test_mark_in_two_columns_refuses_night(store: ObjectStore, tmp_path: Path, kind: str) -> None:
    values = {"id": ["1"], "m": [json.dumps(TURNS)], "mood": ["calm"], "tone": ["calm"], "no": [2], "again": [1]}
    table = pa.table(values).rename_columns(["id", "m", "x", "x", "a", "b"])
    assert extract(store, write_table(tmp_path / f"x.{kind}", table)).content.unread == {"a": 1, "b": 1, "x": 1}
    table = pa.table(values).rename_columns(["id", "m", "x", "x", "train", "train"])
    with pytest.raises(SchemaError, match="column 'train' occurs more than once in the file"):
        extract(store, write_table(tmp_path / f"x.{kind}", table))


def test_odd_types_are_counted(store: ObjectStore, tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": ["1", "2"],
            "m": [json.dumps(TURNS)] * 2,
            "train_time": pa.array([1 << 62, None], pa.int64()).view(pa.timestamp("s")),
            "pairs": pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())),
            "weight": pa.array([b"x", None], pa.binary()),
            "nothing": pa.nulls(2),
            "train": pa.array(["true", "false"]).dictionary_encode(),
        }
    )
    records = extract(store, write_table(tmp_path / "x.arrow", table))
    assert records.content.unread == {"pairs": 1, "train_time": 1, "weight": 1}
    faults = read_records(store, records.id).sort("row_id")["fault"].struct.field("rule").to_list()
    assert faults == [None, "not_learned"]


def test_column_of_recipe_is_not_counted(store: ObjectStore, tmp_path: Path) -> None:
    row = {"id": "1", "m": TURNS, "lang": "en", "at": "2026-11-22", "gone": None, "system": "Arr.", "train": 1}
    columns = Columns(key="id", chat="m", slice="lang", updated_at="at", deleted_at="gone")
    source = write(tmp_path, "jsonl", [row])
    made = extract_records(store, source, columns, {"reply": AnswerField()}, night=None, window_days=1)
    assert made.content.unread == {}


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize("name", ["systemPrompt", "System", "system_instruction"])
def test_system_may_have_another_spelling(store: ObjectStore, tmp_path: Path, kind: str, name: str) -> None:
    source = write(tmp_path, kind, [{"id": "1", "m": TURNS[:2], name: "Arr."}])
    arr = [{"content": "Arr.", "role": "system"}]
    assert read_records(store, extract(store, source).id)["history"].to_list() == [arr]
    assert read_chat("m", {"m": json.dumps({"messages": TURNS[:2], name: "Arr."})}).history == arr


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
@pytest.mark.parametrize(
    "system", [[{"text": "Arr."}], {"role": "system", "parts": [{"text": "Arr."}]}, {"content": "Arr."}], ids=str
)
def test_system_may_have_parts(store: ObjectStore, tmp_path: Path, kind: str, system: Any) -> None:
    source = write(tmp_path, kind, [{"id": "1", "m": TURNS[:2], "system": system}])
    found = read_records(store, extract(store, source).id)
    assert found["history"].to_list() == [[{"content": "Arr.", "role": "system"}]]


def test_different_systems_refuse_row(store: ObjectStore, tmp_path: Path) -> None:
    row = {"id": "1", "m": TURNS, "system": "Arr.", "systemPrompt": "Be brief."}
    assert learn(store, write(tmp_path, "jsonl", [row])) == (None, "it has different system and systemPrompt")


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
@pytest.mark.parametrize("name", ["Tools", "toolDefinitions", "available_tools"])
def test_tools_may_have_another_spelling(store: ObjectStore, tmp_path: Path, kind: str, name: str) -> None:
    source = write(tmp_path, kind, [{"id": "1", "m": TURNS, name: [{"name": "find_pier"}]}])
    assert learn(store, source) == (None, f"it has {name!r} next to its messages, which is not read")


def test_long_values_are_counted_unread(store: ObjectStore, tmp_path: Path) -> None:
    rows = [{"id": str(n), "m": TURNS, "page": "x" * 5_000 + str(n)} for n in range(3)]
    assert extract(store, write(tmp_path, "parquet", rows)).content.unread == {"page": 3}


def test_selected_columns_are_counted(store: ObjectStore, tickets: sa.Engine) -> None:
    with tickets.begin() as connection:
        for row in ("1", None, ""), ("2", "x", "Arr."):
            values = {"id": row[0], "at": row[1], "body": json.dumps(TURNS), "team": row[2]}
            connection.execute(sa.text("INSERT INTO tickets VALUES (:id, :at, :body, :team)"), values)
    query = "SELECT id, body AS m, updated_at, team AS mood, id - 1 AS train FROM tickets"
    records = extract(store, SqlSource(kind="sql", connection="tickets", query=query))
    assert records.content.unread == {"mood": 1, "updated_at": 1}
    faults = read_records(store, records.id).sort("row_id")["fault"].struct.field("rule").to_list()
    assert faults == ["not_learned", None]


def test_columns_of_delta_are_counted(store: ObjectStore, tmp_path: Path) -> None:
    from deltalake import write_deltalake

    rows = [{"id": str(n), "m": json.dumps(TURNS), "mood": "calm", "n": n or None, "train": n > 0} for n in range(2)]
    write_deltalake(str(tmp_path / "t"), pa.Table.from_pylist(rows))
    records = extract(store, DeltaSource(kind="delta", path=str(tmp_path / "t")))
    assert records.content.unread == {"mood": 1, "n": 1}
    faults = read_records(store, records.id).sort("row_id")["fault"].struct.field("rule").to_list()
    assert faults == ["not_learned", None]
