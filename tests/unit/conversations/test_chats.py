"""Chats: each format gives the same records, and an invalid conversation is kept with the reason."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nightloom.artifacts.faults import Fault
from nightloom.artifacts.reading import read_records
from nightloom.conversations.chats import Chat, chat_columns, read_chat
from nightloom.core.store import ObjectStore
from nightloom.recipes.schema import AnswerField, Columns
from nightloom.recipes.sources import FilesSource
from nightloom.sources.extract import extract_records

OPENAI = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello."},
    {"role": "user", "content": "Where is my parcel?"},
    {"role": "assistant", "content": "In Lyon."},
]
SHAREGPT = [
    {"from": "system", "value": "Be brief."},
    {"from": "human", "value": "Hi"},
    {"from": "gpt", "value": "Hello."},
    {"from": "human", "value": "Where is my parcel?"},
    {"from": "gpt", "value": "In Lyon."},
]
BEFORE = [
    {"content": "Be brief.", "role": "system"},
    {"content": "Hi", "role": "user"},
    {"content": "Hello.", "role": "assistant"},
]
KNOWN = "known: assistant, developer, gpt, human, system, user"
WANTED = Chat("Where is my parcel?", BEFORE, "In Lyon.")


@pytest.mark.parametrize(
    ("chat", "values"),
    [
        pytest.param("m", {"m": json.dumps(OPENAI)}, id="openai"),
        pytest.param("m", {"m": json.dumps({"messages": OPENAI, "tools": []})}, id="openai object"),
        pytest.param("m", {"m": json.dumps(SHAREGPT)}, id="sharegpt"),
        pytest.param("m", {"m": json.dumps({"conversations": SHAREGPT})}, id="sharegpt object"),
        pytest.param(
            "prompt_completion",
            {"prompt": json.dumps(OPENAI[:4]), "completion": json.dumps(OPENAI[4:])},
            id="prompt and completion as messages",
        ),
        pytest.param(
            "prompt_completion", {"prompt": json.dumps(OPENAI[:4]), "completion": "In Lyon."}, id="completion as text"
        ),
    ],
)
def test_every_format_gives_same_chat(chat: str, values: dict[str, str | None]) -> None:
    assert read_chat(chat, values) == WANTED


def test_prompt_and_completion_are_one_message_each() -> None:
    values: dict[str, str | None] = {"prompt": "[sic] What?", "completion": "That."}
    assert read_chat("prompt_completion", values) == Chat("[sic] What?", None, "That.")


@pytest.mark.parametrize(
    ("given_input", "text"), [("2, 3", "Add.\n\n2, 3"), ("", "Add."), (" ", "Add."), (None, "Add.")]
)
def test_alpaca_input_follows_the_instruction(given_input: str | None, text: str) -> None:
    values = {"instruction": "Add.", "input": given_input, "output": "5"}
    assert read_chat("alpaca", values) == Chat(text, None, "5")


def test_unanswered_conversation_has_no_answer() -> None:
    assert read_chat("m", {"m": json.dumps(OPENAI[:4])}) == Chat("Where is my parcel?", BEFORE, None)


def test_content_in_text_parts_is_joined() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "value": "b", "text": None}]
    assert read_chat("m", {"m": json.dumps([{"role": "user", "content": parts}])}) == Chat("ab")


def test_null_gives_no_text() -> None:
    assert read_chat("m", {"m": None}) == Chat(None)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("my card is 4111", "it is not JSON: Expecting value, at character 1"),
        ("[" * 100_000, "nested too deeply"),
        ('[{"role": "user", "role": "user"}]', "a key is repeated"),
        ('{"turns": []}', "it is not a list of messages"),
        ("[1]", "it is not a list of messages"),
        ("[]", "it has no user message"),
        ('[{"role": "system", "content": "x"}]', "it has no user message"),
        ('[{"role": "assistant", "content": "x"}]', "message 1 is not the user's, so the roles do not alternate"),
        (json.dumps(OPENAI[1:2] * 2), "message 2 is not the assistant's, so the roles do not alternate"),
        (json.dumps([*OPENAI, OPENAI[0]]), "message 6 is not the user's, so the roles do not alternate"),
        ('[{"role": "tool", "content": "x"}]', f"message 1 has the unknown role 'tool'; {KNOWN}"),
        ('[{"role": "my card is 4111", "content": "x"}]', f"message 1 has an unknown role; {KNOWN}"),
        ('[{"role": 1, "content": "x"}]', f"message 1 has an unknown role; {KNOWN}"),
        ('[{"content": "x"}]', f"message 1 has no role; {KNOWN}"),
        ('[{"role": "user", "content": null}]', "message 1 has content that is not text"),
        ('[{"role": "user", "content": 5}]', "message 1 has content that is not text"),
        ('[{"role": "user", "content": [{"type": "image_url"}]}]', "message 1 has content that is not text"),
        ('[{"role": "user", "content": "x", "tool_calls": [1]}]', "message 1 calls a tool"),
    ],
)
def test_invalid_conversation_is_kept_with_reason(value: str, reason: str) -> None:
    chat = read_chat("m", {"m": value})
    assert chat == Chat(value, fault=Fault("not_a_chat", reason))


def test_invalid_conversation_keeps_all_columns() -> None:
    prompt = json.dumps(OPENAI[1:3])
    chat = read_chat("prompt_completion", {"prompt": prompt, "completion": "x"})
    assert json.loads(chat.text or "") == {"prompt": prompt, "completion": "x"}
    assert (chat.fault and chat.fault.measured) == "message 3 is not the user's, so the roles do not alternate"


def test_unanswered_rows_need_no_answer_column() -> None:
    assert chat_columns("alpaca", answered=False) == ("instruction",)
    assert chat_columns("prompt_completion", answered=False) == ("prompt",)
    assert chat_columns("messages", answered=False) == ("messages",)


_words = st.sampled_from(["role", "content", "from", "value", "messages", "user", "assistant", "text", "type", "x"])
_anything = st.recursive(
    st.none() | st.integers() | _words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_words, inner, max_size=4),
    max_leaves=20,
)


@given(value=_anything | st.lists(st.fixed_dictionaries({"role": _words, "content": _anything})))
def test_any_value_is_conversation_or_fault(value: Any) -> None:
    raw = json.dumps(value)
    chat = read_chat("m", {"m": raw})
    assert (chat.text == raw) if chat.fault else isinstance(chat.text, str)


@given(turns=st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3)), min_size=1, max_size=4), system=st.text())
def test_conversation_keeps_every_turn(turns: list[tuple[str, str]], system: str) -> None:
    messages = [{"content": system, "role": "system"}]
    for asked, said in turns:
        messages += [{"content": asked, "role": "user"}, {"content": said, "role": "assistant"}]
    chat = read_chat("m", {"m": json.dumps(messages)})
    assert chat.history == messages[:-2]
    assert (chat.text, chat.answer) == turns[-1]


def test_records_hold_earlier_turns(store: ObjectStore, tmp_path: Any) -> None:
    lines = [{"id": "1", "m": OPENAI}, {"id": "2", "m": OPENAI[3:]}, {"id": "3", "m": "rubbish"}, {"id": "4"}]
    (tmp_path / "chats.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    source = FilesSource(kind="files", path=str(tmp_path / "chats.jsonl"))
    columns, answer = Columns(key="id", chat="m"), {"reply": AnswerField()}
    records = extract_records(store, source, columns, answer, night=None, window_days=1)
    table = read_records(store, records.id).sort("row_id")
    assert table["text"].to_list() == ["Where is my parcel?", "Where is my parcel?", "rubbish", None]
    assert table["answer"].to_list() == ['{"reply":"In Lyon."}', '{"reply":"In Lyon."}', None, None]
    assert table["history"].to_list()[:2] == [BEFORE, None]
    assert table["fault"][2] == {"measured": "it is not JSON: Expecting value, at character 1", "rule": "not_a_chat"}


def test_rows_without_key_differ_by_history(store: ObjectStore, tmp_path: Any) -> None:
    lines = [{"m": OPENAI}, {"m": OPENAI[1:]}, {"m": OPENAI[3:]}]
    (tmp_path / "chats.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    source = FilesSource(kind="files", path=str(tmp_path / "chats.jsonl"))
    answer = {"reply": AnswerField()}
    records = extract_records(store, source, Columns(chat="m"), answer, night=None, window_days=1)
    ids = read_records(store, records.id)["row_id"]
    assert ids.n_unique() == 3
    assert ids.str.len_bytes().unique().to_list() == [64]
