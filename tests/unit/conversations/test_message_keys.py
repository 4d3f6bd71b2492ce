"""Message keys: what is next to a message or a conversation is obeyed, refuses the row, or is counted."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from nightloom.artifacts.data import OTHER_KEYS
from nightloom.artifacts.faults import Fault
from nightloom.artifacts.reading import read_records
from nightloom.conversations.chats import Chat, read_chat
from nightloom.core.store import ObjectStore
from nightloom.recipes.schema import AnswerField, Columns
from nightloom.recipes.sources import FilesSource, Source, SqlSource
from nightloom.sources.extract import extract_records

REPLY = {"reply": AnswerField()}
ASKED = {"role": "user", "content": "Which pier has the kiosk?"}
SAID = {"role": "assistant", "content": "The third one."}
KIOSK = Chat("Which pier has the kiosk?", None, "The third one.")

OFF = [
    *(("weight", value) for value in (0, 0.0, False, "0", "false")),
    *((name, False) for name in ("train", "loss", "train_on_turn", "trainable")),
    *(("loss_weight", 0.0), ("masked", True), ("masked", 1)),
    *((name, True) for name in ("ignore", "skip", "excluded", "rejected", "deleted")),
    *((name, False) for name in ("supervised", "is_target", "kto_tag", "label", "review_result")),
    *((name, 0) for name in ("loss_mask", "train_mask", "lossMask", "trainOnTurn", "Weight", "loss-weight")),
    *((name, True) for name in ("isMasked", "is_deleted", "was_cancelled")),
]
ON = [
    ("weight", 1),
    ("weight", 1.0),
    ("train", True),
    ("loss", "true"),
    ("masked", False),
    ("loss_weight", None),
    ("skip", 0),
]


def read(*messages: dict[str, Any], **next_to: Any) -> Chat:
    value = {"messages": [*messages], **next_to} if next_to else [*messages]
    return read_chat("m", {"m": json.dumps(value)})


def reason(chat: Chat) -> str | None:
    return chat.fault.measured if chat.fault else None


@pytest.mark.parametrize(("flag", "value"), OFF)
def test_marked_answer_is_never_learned(flag: str, value: Any) -> None:
    for chat in (read(ASKED, {**SAID, flag: value}), read(ASKED, SAID, **{flag: value})):
        assert chat.fault == Fault("not_learned", "every answer in it is marked as not to be learned")
        assert chat.answer is None


@pytest.mark.parametrize(("flag", "value"), OFF)
def test_answer_before_a_marked_one_is_learned(flag: str, value: Any) -> None:
    assert read(ASKED, SAID, ASKED, {"from": "gpt", "value": "WRONG", flag: value}) == KIOSK


@pytest.mark.parametrize(("flag", "value"), ON)
def test_answer_marked_for_learning_is_learned(flag: str, value: Any) -> None:
    assert read({**ASKED, "weight": 0}, {**SAID, flag: value}) == KIOSK


def test_marks_do_not_choose_what_is_asked() -> None:
    value = json.dumps([ASKED, {**SAID, "weight": 0}])
    assert read_chat("m", {"m": value}, answered=False) == KIOSK


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("weight", 0.5, "message 2 has a 'weight' that is neither 0 nor 1"),
        ("train", [1], "message 2 has a 'train' that is neither 0 nor 1"),
        ("no_loss", 0, "message 2 has a key 'no_loss', which may say whether it is learned"),
        ("doTrain", False, "message 2 has a key 'doTrain', which may say whether it is learned"),
        ("reasoning_content", "Hm.", "message 2 has a thought next to its content"),
        ("thinking", "Hm.", "message 2 has a thought next to its content"),
        ("name", "Ann", "message 2 has a name, which the model would not see"),
        ("tool_calls", [{"id": "1"}], "message 2 calls a tool"),
        ("function_call", {"name": "f", "arguments": None}, "message 2 calls a tool"),
        ("images", ["a.png"], "message 2 has more than text"),
        ("refusal", "No.", "message 2 is a refusal"),
        ("prefix", True, "message 2 is only a part of a message"),
    ],
)
def test_key_that_changes_meaning_refuses_row(key: str, value: Any, why: str) -> None:
    assert str(reason(read(ASKED, {**SAID, key: value}))).startswith(why)


@pytest.mark.parametrize("key", ["tool_calls", "function_call", "images", "name", "thinking", "weight", "system", "x"])
@pytest.mark.parametrize("value", [None, {"id": None, "of": {"n": None}}, [], [None], [{"id": None}]], ids=str)
def test_nulls_of_a_union_are_absent(key: str, value: Any) -> None:
    assert read(ASKED, {**SAID, key: None if key == "weight" else value}) == KIOSK


def test_messages_of_two_formats_in_one_column(tmp_path: Path, store: ObjectStore) -> None:
    turns = [
        [{"role": "user", "content": "Which pier has the kiosk?"}, {"from": "gpt", "value": "The third one."}],
        [{"from": "system", "value": None}, {**ASKED, "tool_calls": None}, {"from": "gpt", "value": "The third one."}],
    ]
    rows = [{"id": "1", "m": {"messages": turns[0]}}, {"id": "2", "m": {"conversations": turns[1]}}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet")
    found = read_records(store, extract(store, FilesSource(kind="files", path=str(tmp_path / "x.parquet"))).id)
    assert found.select("text", "answer").rows() == [(KIOSK.text, '{"reply":"The third one."}')] * 2


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([{"role": "user", "from": "gpt", "content": "x"}], "message 1 has two roles"),
        ([{**ASKED, "value": "else"}, SAID], "message 1 has different content and value"),
        ([{**ASKED, "content": None}, SAID], "message 1 has content that is not text"),
    ],
)
def test_contradiction_within_message_refuses_row(messages: list[dict[str, Any]], why: str) -> None:
    assert reason(read(*messages)) == why


@pytest.mark.parametrize("value", [None, "", " \n"])
def test_blank_conversation_is_absent(value: str | None) -> None:
    assert read_chat("m", {"m": value}) == Chat(None)


@pytest.mark.parametrize("value", ["Which pier?", "[{'role': 'user'}]", '[{"role": "user"'])
def test_text_that_is_no_conversation_says_so(value: str) -> None:
    assert str(reason(read_chat("m", {"m": value}))).startswith("it is not JSON: ")


def test_last_answer_without_content_is_to_come() -> None:
    assert read(ASKED, {"role": "assistant", "content": None}) == Chat("Which pier has the kiosk?")


def extract(store: ObjectStore, source: Source, chat: str = "m") -> Any:
    return extract_records(store, source, Columns(key="id", chat=chat), REPLY, night=None, window_days=1)


def test_system_next_to_messages_comes_first() -> None:
    pirate = [{"content": "Answer like a pirate.", "role": "system"}]
    for system in ("Answer like a pirate.", {"role": "system", "content": "Answer like a pirate."}):
        assert read(ASKED, SAID, system=system).history == pirate


@pytest.mark.parametrize("name", ["x.jsonl", "x.csv", "x.parquet"])
def test_columns_next_to_messages_are_read(store: ObjectStore, tmp_path: Path, name: str) -> None:
    turns = json.dumps([ASKED, SAID])
    rows = [
        {"id": "1", "m": turns, "system": "Arr.", "tools": "[]", "images": None},
        {"id": "2", "m": turns, "system": "", "tools": '[{"name": "f"}]', "images": None},
        {"id": "3", "m": turns, "system": None, "tools": None, "images": '["a.png"]'},
    ]
    table = pa.Table.from_pylist(rows)
    if name == "x.csv":
        table.to_pandas().to_csv(tmp_path / name, index=False)
    elif name == "x.jsonl":
        (tmp_path / name).write_text("\n".join(map(json.dumps, rows)))
    else:
        pq.write_table(table, tmp_path / name)
    found = read_records(store, extract(store, FilesSource(kind="files", path=str(tmp_path / name))).id)
    assert found["history"].to_list() == [[{"content": "Arr.", "role": "system"}], None, None]
    assert found["fault"].struct.field("measured").to_list() == [
        None,
        "it has 'tools' next to its messages, which is not read",
        "it has 'images' next to its messages, which is not read",
    ]


def test_selected_system_belongs_to_the_conversation(store: ObjectStore, tickets: sa.Engine) -> None:
    with tickets.begin() as connection:
        connection.execute(
            sa.text("INSERT INTO tickets VALUES ('1', NULL, :body, 'Arr.')"), {"body": json.dumps([ASKED, SAID])}
        )
    for query, history in (
        ("id, body AS m, team AS system", [{"content": "Arr.", "role": "system"}]),
        ("id, body AS m", None),
    ):
        source = SqlSource(kind="sql", connection="tickets", query=f"SELECT {query} FROM tickets")  # noqa: S608
        assert read_records(store, extract(store, source).id)["history"].to_list() == [history]


@pytest.mark.parametrize("key", ["image", "video", "audio", "documents"])
def test_one_of_what_is_not_read_refuses_row(key: str) -> None:
    why = f"it has {key!r} next to its messages, which is not read"
    assert reason(read(ASKED, SAID, **{key: "a.bin"})) == why
    assert reason(read_chat("m", {"m": json.dumps([ASKED, SAID]), key: "a.bin"})) == why


@pytest.mark.parametrize("key", ["system_prompt", "system_message"])
def test_system_may_have_a_longer_name(key: str) -> None:
    arr = [{"content": "Arr.", "role": "system"}]
    assert read(ASKED, SAID, **{key: "Arr.", "system": None}).history == arr
    assert read_chat("m", {"m": json.dumps([ASKED, SAID]), key: "Arr."}).history == arr
    assert reason(read(ASKED, SAID, **{key: "Arr.", "system": "Be brief."})) is not None


@pytest.mark.parametrize("format_", ["m", "alpaca", "prompt_completion"])
def test_column_marks_all_answers(store: ObjectStore, tmp_path: Path, format_: str) -> None:
    side = {"instruction": "Which?", "output": "This.", "prompt": "Which?", "completion": "This."}
    marks: list[dict[str, Any]] = [
        {},
        {"train": False},
        {"weight": 0.0},
        {"skip": True},
        {"weight": 0.5},
        {"train": "a"},
        {"label": False},
        {"label": 0},
        {"label": "greeting"},
        {"label": True},
    ]
    rows = [{"id": str(n), "m": [ASKED, SAID], **side, **mark} for n, mark in enumerate(marks)]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, rows)))
    source = FilesSource(kind="files", path=str(tmp_path / "x.jsonl"))
    found = read_records(store, extract(store, source, format_).id).sort("row_id")
    rules = found["fault"].struct.field("rule").to_list()
    assert rules == [None, *["not_learned"] * 3, None, None, "not_learned", None, None, None]
    unread = extract(store, source, format_).content.unread
    assert [unread[name] for name in ("label", "train", "weight")] == [2, 1, 1]


def test_alpaca_has_system_and_earlier_turns(store: ObjectStore, tmp_path: Path) -> None:
    row = {
        "id": "1",
        "instruction": "And now?",
        "output": "Left.",
        "system": "Be brief.",
        "history": [["Hi", "Hello."]],
    }
    (tmp_path / "x.jsonl").write_text(json.dumps(row))
    found = read_records(store, extract(store, FilesSource(kind="files", path=str(tmp_path / "x.jsonl")), "alpaca").id)
    assert [(turn["role"], turn["content"]) for turn in found["history"][0]] == [
        ("system", "Be brief."),
        ("user", "Hi"),
        ("assistant", "Hello."),
    ]


@pytest.mark.parametrize("history", ['[["only a question"]]', "[[1, 2]]", "no list"])
def test_history_of_another_form_refuses_row(history: str) -> None:
    chat = read_chat("alpaca", {"instruction": "And now?", "output": "Left.", "history": history})
    assert chat.fault
    assert chat.fault.rule == "not_a_chat"


def test_unread_keys_are_counted(store: ObjectStore, tmp_path: Path) -> None:
    lines = [
        {"id": "1", "m": [{**ASKED, "mood": "calm"}, {**SAID, "mood": "calm", "my own text, 4111": 1}]},
        {"id": "2", "m": {"messages": [ASKED, {**SAID, "mood": None}], "origin": "desk"}},
    ]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, lines)))
    records = extract(store, FilesSource(kind="files", path=str(tmp_path / "x.jsonl")))
    assert records.content.unread == {"mood": 1, "origin": 1, OTHER_KEYS: 1}


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("status", "in_progress", "message 2 has a status that says that it is no complete message"),
        ("status", "finished_partial_completion", "message 2 has a status that says that it is no complete message"),
        ("end_turn", False, "message 2 is only a part of a message"),
        ("isComplete", False, "message 2 is only a part of a message"),
        ("finish_reason", "length", "message 2 ended before it was complete"),
        ("stopReason", "MAX_TOKENS", "message 2 ended before it was complete"),
        ("recipient", "functions.find_pier", "message 2 has a recipient, as the call of a tool has"),
        ("channel", "analysis", "message 2 has a channel"),
        ("phase", "commentary", "message 2 is not in the final phase"),
        ("content_type", "thoughts", "message 2 has content that is not text"),
        ("hidden", True, "message 2 is hidden"),
        ("is_visually_hidden_from_conversation", True, "message 2 is hidden"),
        ("public", False, "message 2 is hidden"),
        ("isError", True, "message 2 is an error"),
        ("deleted_at", "2026-11-22", "message 2 was taken back"),
        ("toolCalls", [{"id": "1"}], "message 2 calls a tool"),
        ("reasoningContent", "Hm.", "message 2 has a thought next to its content"),
    ],
)
def test_state_of_message_refuses_row(key: str, value: Any, why: str) -> None:
    assert reason(read(ASKED, {**SAID, key: value})) == why


@pytest.mark.parametrize(
    "usual",
    [
        {"status": "completed", "end_turn": True, "recipient": "all", "channel": "final"},
        {"finish_reason": "stop", "is_error": False, "hidden": 0, "phase": "final_answer", "content_type": "text"},
        {"status": None, "end_turn": None, "recipient": None, "deleted_at": "", "error": ""},
    ],
)
def test_complete_message_is_read(usual: dict[str, Any]) -> None:
    assert read({**ASKED, **usual}, {**SAID, **usual}) == KIOSK


@pytest.mark.parametrize(
    ("part", "why"),
    [
        ({"train": False}, "message 2 has a part that is marked as not to be learned"),
        ({"weight": 0}, "message 2 has a part that is marked as not to be learned"),
        ({"no_loss": 1}, "message 2 has a key 'no_loss', which may say whether it is learned"),
        ({"thought": True}, "message 2 has a thought next to its content"),
        ({"tool_calls": [{"id": "1"}]}, "message 2 calls a tool"),
    ],
)
def test_key_of_part_refuses_row(part: dict[str, Any], why: str) -> None:
    parts = [{"type": "text", "text": "The third"}, {"type": "text", "text": " one.", **part}]
    assert str(reason(read(ASKED, {**SAID, "content": parts}))).startswith(why)


def test_harmless_key_of_part_is_counted() -> None:
    asked = [{"type": "text", "text": ASKED["content"], "cache_control": {"type": "ephemeral"}, "weight": 0}]
    said = [
        {"type": "output_text", "text": "The third one.", "annotations": [], "citations": [{"n": 1}], "train": True}
    ]
    chat = read({"role": "user", "content": asked}, {"role": "assistant", "content": said})
    assert (chat.answer, chat.unread) == (KIOSK.answer, {"cache_control", "citations"})


@pytest.mark.parametrize(
    ("completion", "why"),
    [
        ([{"type": "text", "text": "No.", "train": False}], "message 1 has a part that is marked as not to be learned"),
        ({"content": "No.", "weight": 0}, "every answer in it is marked as not to be learned"),
        ({"content": "No.", "tool_calls": [{"id": "1"}]}, "message 1 calls a tool"),
        ({"content": "Yes.", "weight": 1}, None),
    ],
)
def test_completion_without_role_is_obeyed(
    store: ObjectStore, tmp_path: Path, completion: Any, why: str | None
) -> None:
    (tmp_path / "x.jsonl").write_text(json.dumps({"id": "1", "prompt": "Which?", "completion": completion}))
    source = FilesSource(kind="files", path=str(tmp_path / "x.jsonl"))
    [row] = read_records(store, extract(store, source, "prompt_completion").id).rows(named=True)
    assert (row["fault"] and row["fault"]["measured"]) == why


@pytest.mark.parametrize("nothing", ["None", "nan", "NaN", "NULL", "null", "[]", "{}", " "])
def test_word_for_nothing_is_absent(nothing: str) -> None:
    next_to = {"system": nothing, "tools": nothing}
    assert read_chat("m", {"m": json.dumps([ASKED, {**SAID, "tool_calls": nothing}]), **next_to}) == KIOSK


def test_keys_that_are_ids_are_counted_together(store: ObjectStore, tmp_path: Path) -> None:
    rows = [{"id": str(n), "m": [ASKED, SAID], f"at_{n}": 1} for n in range(10_050)]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, rows)))
    unread = extract(store, FilesSource(kind="files", path=str(tmp_path / "x.jsonl"))).content.unread
    assert (len(unread), unread[OTHER_KEYS], sum(unread.values())) == (21, 10_030, 10_050)


@pytest.mark.parametrize("type_", [{}, {"type": "input_text"}, {"type": None}], ids=str)
def test_part_of_text_needs_no_type(type_: dict[str, Any]) -> None:
    said = [{"text": "The third", **type_}, {"text": " one.", **type_}]
    assert read(ASKED, {"role": "assistant", "content": said}) == KIOSK
    assert reason(read(ASKED, {"role": "assistant", "content": [*said, {"image": {"format": "png"}}]})) is not None


@pytest.mark.parametrize("name", ["metadata", "additional_kwargs", "extra"])
def test_metadata_of_message_is_obeyed(name: str) -> None:
    assert reason(read(ASKED, {**SAID, name: {"train": False}})) == "every answer in it is marked as not to be learned"
    assert reason(read(ASKED, {**SAID, name: {"tool_calls": [{"id": "1"}]}})) == "message 2 calls a tool"
    hidden = {"is_visually_hidden_from_conversation": True}
    assert reason(read({**ASKED, name: hidden}, SAID)) == "message 1 is hidden"
    harmless = {"name": "Ann", "status": "draft", "weight": 70.5, "channel": "mail"}
    assert read(ASKED, {**SAID, name: harmless}).answer == KIOSK.answer


@pytest.mark.parametrize("key", ["deleted", "rejected", "isDeleted"])
def test_question_that_was_taken_back_refuses_row(key: str) -> None:
    assert reason(read({**ASKED, key: True}, SAID)) == "message 1 was taken back"


@pytest.mark.parametrize(
    "names", [("SYSTEM", "User", "ASSISTANT"), ("System ", " human ", "GPT"), ("Developer", "HUMAN", "Assistant\n")]
)
def test_role_may_have_capitals(names: tuple[str, str, str]) -> None:
    texts = ("Be brief.", KIOSK.text, KIOSK.answer)
    for role, content in (("role", "content"), ("from", "value")):
        chat = read(*({role: name, content: text} for name, text in zip(names, texts, strict=True)))
        assert chat == Chat(KIOSK.text, [{"content": "Be brief.", "role": "system"}], KIOSK.answer)


_flag = st.sampled_from([*OFF, *ON])


@given(flags=st.lists(_flag, min_size=1, max_size=5))
def test_learned_answer_is_last_unmarked(flags: list[tuple[str, Any]]) -> None:
    turns = [
        ({**ASKED, "content": f"q{n}"}, {**SAID, "content": f"a{n}", name: value})
        for n, (name, value) in enumerate(flags)
    ]
    chat = read(*(message for pair in turns for message in pair))
    learned = [number for number, flag in enumerate(flags) if flag in ON]
    if not learned:
        assert chat.fault
        assert chat.fault.rule == "not_learned"
    else:
        assert (chat.text, chat.answer) == (f"q{learned[-1]}", f"a{learned[-1]}")
