"""Prompt versions: read from files, frozen by content, rendered without running anything."""

import traceback
from pathlib import Path
from typing import Literal, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nightloom.artifacts.answers import FinishReason
from nightloom.artifacts.prompts import PromptContent, PromptMessage
from nightloom.core.errors import InputError
from nightloom.prompts.templates import parse_output, read_prompt, render_prompt, render_target

from tests.factories.asking import make_answer

FIELDS = ("team", "urgency")
ALLOWED = {"team": ("billing", "sales"), "urgency": None}


def one_message(content: str) -> PromptContent:
    return PromptContent(messages=(PromptMessage(role="user", content=content),))


def write_prompt(directory: Path, text: str) -> None:
    (directory / "triage").mkdir()
    (directory / "triage" / "1.yaml").write_text(text, encoding="utf-8")


def test_same_messages_have_same_id(tmp_path: Path) -> None:
    write_prompt(tmp_path, "messages:\n  - role: user\n    content: '{{ text }}'\n")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "7.yaml").write_text("messages: [{role: user, content: '{{ text }}'}]", encoding="utf-8")
    assert read_prompt(tmp_path, "triage/1").id == read_prompt(tmp_path, "other/7").id


def test_unknown_prompt_lists_known_ones(tmp_path: Path) -> None:
    write_prompt(tmp_path, "messages: [{role: user, content: x}]")
    with pytest.raises(InputError, match=r"prompt 'triage/2' has no file 2\.yaml .*; known: triage/1"):
        read_prompt(tmp_path, "triage/2")


@pytest.mark.parametrize(
    "text",
    ["messages: []", "messages: [{role: oracle, content: x}]", "a: [", "messages: [{role: user, content: '{% if %}'}]"],
    ids=["no message", "unknown role", "not YAML", "not a template"],
)
def test_broken_prompt_is_refused(tmp_path: Path, text: str) -> None:
    write_prompt(tmp_path, text)
    with pytest.raises(InputError, match=r"prompt .triage/1. in .* cannot be used"):
        read_prompt(tmp_path, "triage/1")


@pytest.mark.parametrize(
    "content",
    [
        "Which team?",
        "{% set t = text %}?",
        "{{ txt }}",
        "{{ text.body }}",
        "{{ text | lower | length - 1000 }}{{ x() }}",
    ],
)
def test_prompt_without_text_is_refused(tmp_path: Path, content: str) -> None:
    write_prompt(tmp_path, f"messages: [{{role: system, content: Answer.}}, {{role: user, content: '{content}'}}]")
    with pytest.raises(InputError, match=r"its only variable is `text`|never writes the text of a row"):
        read_prompt(tmp_path, "triage/1")


@pytest.mark.parametrize(
    "content", ["{{ text | upper }}", "{% if text | length > 99 %}{{ text[:99] }}{% endif %}", "{{ text.split()[0] }}"]
)
def test_prompt_writes_text_in_its_way(tmp_path: Path, content: str) -> None:
    write_prompt(tmp_path, f"messages: [{{role: user, content: '{content}'}}]")
    assert read_prompt(tmp_path, "triage/1").content.messages[0].content == content


def test_template_in_text_is_not_rendered() -> None:
    assert render_prompt(one_message("Ticket: {{ text }}"), "{{ 7 * 7 }}") == [
        {"role": "user", "content": "Ticket: {{ 7 * 7 }}"}
    ]


@pytest.mark.parametrize(
    "template",
    ["{{ nothing }}", "{{ ''.__class__.__mro__ }}", "{{ 1 / 0 }}"],
    ids=["unknown name", "escape from the sandbox", "error in an expression"],
)
def test_failing_template_is_input_error(template: str) -> None:
    with pytest.raises(InputError, match="the prompt cannot be rendered"):
        render_prompt(one_message(template), "x")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ {'a': 'b'}[text] }}", "'dict object' has no attribute ''"),
        ("{{ 'a'.index(text) }}", "it fails with ValueError for one of the texts"),
        ("{{ text }}{{ subject }}", "'subject' is undefined"),
    ],
)
def test_template_error_does_not_quote_text(template: str, message: str) -> None:
    text = "zebra" * 3  # put together, since a traceback shows this line
    with pytest.raises(InputError) as caught:
        render_prompt(one_message(template), text)
    assert str(caught.value) == f"the prompt cannot be rendered: {message}"
    assert text not in "".join(traceback.format_exception(caught.value))


def test_too_long_rendering_is_refused() -> None:
    with pytest.raises(InputError, match="more than 100000 characters"):
        render_prompt(one_message("{{ text }}{{ text }}"), "x" * 60_000)


@given(st.dictionaries(st.sampled_from(FIELDS), st.text().filter(str.strip), min_size=2))
def test_target_parses_back_to_answer(answer: dict[str, str]) -> None:
    target = render_target(answer, FIELDS, "json")
    assert parse_output(make_answer(target), FIELDS, {"team": None, "urgency": None}, "json") == answer


@pytest.mark.parametrize(
    "output",
    [
        "",
        "billing",
        '{"team": "billing"}',
        '{"team": "billing", "urgency": "low", "more": "x"}',
        '{"team": "cooking", "urgency": "low"}',
        '{"team": "billing", "urgency": 3}',
        '{"team": "billing", "team": "sales", "urgency": "low"}',
        '["billing", "low"]',
        '{"team": "billing", "urgency": " "}',
        "[" * 100_000,
    ],
    ids=[
        "empty",
        "not JSON",
        "field missing",
        "field too many",
        "value unknown",
        "not text",
        "key twice",
        "list",
        "blank value",
        "deep nesting",
    ],
)
def test_malformed_output_is_no_answer(output: str) -> None:
    assert parse_output(make_answer(output), FIELDS, ALLOWED, "json") is None


def test_label_is_spelled_as_in_recipe() -> None:
    output = '{"team": "billing\u00a0", "urgency": " low"}'
    assert parse_output(make_answer(output), FIELDS, ALLOWED, "json") == {"team": "billing", "urgency": " low"}
    assert parse_output(make_answer("re\u0301sume"), ("kind",), {"kind": ("r\u00e9sume",)}, "text") == {
        "kind": "r\u00e9sume"
    }


@pytest.mark.parametrize("text", ["", " \n", "\u3000"], ids=["empty", "white space", "wide blank"])
def test_emptied_output_is_no_answer(text: str) -> None:
    assert parse_output(make_answer(text), ("reply",), {"reply": None}, "text") is None


@pytest.mark.parametrize("finish_reason", sorted({*get_args(FinishReason)} - {"stop"}))
@pytest.mark.parametrize(
    ("text", "fields", "output"),
    [("billing", ("team",), "text"), ('{"team": "billing", "urgency": "low"}', FIELDS, "json")],
    ids=["text", "JSON"],
)
def test_unfinished_output_is_no_answer(
    finish_reason: FinishReason, text: str, fields: tuple[str, ...], output: Literal["json", "text"]
) -> None:
    assert parse_output(make_answer(text, finish_reason), fields, ALLOWED, output) is None


def test_text_output_is_one_field() -> None:
    assert parse_output(make_answer(" card_arrival\n"), ("intent",), {"intent": ("card_arrival",)}, "text") == {
        "intent": "card_arrival"
    }


BEFORE = [
    {"content": "Be brief.", "role": "system"},
    {"content": "{{ 7 * 7 }}", "role": "user"},
    {"content": "Hello.", "role": "assistant"},
]


def test_history_goes_between_system_message_and_question() -> None:
    messages = (
        PromptMessage(role="system", content="You are kind."),
        PromptMessage(role="user", content="Q: {{ text }}"),
    )
    assert render_prompt(PromptContent(messages=messages), "Why?", BEFORE) == [
        {"role": "system", "content": "You are kind.\n\nBe brief."},
        {"role": "user", "content": "{{ 7 * 7 }}"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Q: Why?"},
    ]


@pytest.mark.parametrize("first", [0, 1], ids=["with system message", "without"])
def test_prompt_adds_no_system_message(first: int) -> None:
    rendered = render_prompt(one_message("{{ text }}"), "Why?", BEFORE[first:])
    assert [message["role"] for message in rendered] == ["system", "user", "assistant", "user"][first:]


def test_too_long_history_is_refused() -> None:
    with pytest.raises(InputError, match="more than 100000 characters"):
        render_prompt(one_message("{{ text }}"), "Why?", [{"content": "x" * 100_001, "role": "user"}])
