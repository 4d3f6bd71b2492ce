"""Task check: what a chat template does with a recipe's own prompt is found when the base model is frozen."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nightloom.artifacts.models import TaskRendering, TaskSpec
from nightloom.artifacts.prompts import Prompt, PromptContent, PromptMessage, PromptProvenance
from nightloom.core.errors import InputError
from nightloom.rendering import task_check
from nightloom.rendering.chat import render_chats
from nightloom.rendering.task_check import check_task
from nightloom.rendering.tokenizer import load_tokenizer

pytestmark = pytest.mark.torch

TURNS = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
ASKING = "{% if add_generation_prompt %}<|assistant|>{% endif %}"
USER, SYSTEM = ("user", "Team? {{ text }}"), ("system", "Answer with the team.")
TAKES_NO_SYSTEM = "put the words of its system message into its user message"

Check = Callable[..., TaskRendering.Result]


@pytest.fixture
def check(tiny_model: Path, tmp_path: Path) -> Check:
    """Check a template with a prompt of these messages."""
    folder = shutil.copytree(tiny_model, tmp_path / "model")

    def run(template: str, *messages: tuple[str, str], output: str = "json", **kwargs: Any) -> TaskRendering.Result:
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
        content = PromptContent(messages=[PromptMessage(role=role, content=text) for role, text in messages or (USER,)])
        prompt = Prompt(content=content, provenance=PromptProvenance(name="triage/1"))
        answer = {"reply": None} if output == "text" else {"team": ("billing", "login"), "reply": None}
        given = {"prompt": prompt.id, "output": output, "answer": answer, "field_order": tuple(answer)}
        return check_task(folder, prompt, TaskSpec(**given, chat_template_kwargs=kwargs), "org/model")

    return run


def test_valid_task_is_measured(check: Check) -> None:
    result = check(TURNS + ASKING, SYSTEM, USER)
    assert (result.context, 8 < result.prompt_tokens < 64) == (64, True)


@pytest.mark.parametrize(
    ("template", "messages", "message"),
    [
        pytest.param(
            "{% for m in messages %}{% if m.role not in ['user', 'assistant'] %}{{ raise_exception('Only user and "
            "assistant roles') }}{% endif %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}" + ASKING,
            [SYSTEM, USER],
            rf"base org/model cannot be asked with prompt triage/1: .*Only user and .* roles .*{TAKES_NO_SYSTEM}",
            id="takes no system",
        ),
        pytest.param(
            "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
            "{{ raise_exception('roles must alternate user/assistant') }}{% endif %}"
            "<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}" + ASKING,
            [USER, ("user", "In one word.")],
            r"roles must alternate user/assistant \(roles user, user\); change its messages \(user, user\), or use",
            id="turns alternate",
        ),
        pytest.param(
            "{% for m in messages %}<|{{ m.role }}|>{{ m.content[0]['text'] + '' }}<|end|>{% endfor %}" + ASKING,
            [USER],
            "cannot be asked with prompt triage/1: .*change its messages",
            id="content in parts",
        ),
        pytest.param(
            "{% if messages[0].role != 'system' %}{{ raise_exception('a system message is required') }}{% endif %}"
            + TURNS + ASKING,
            [USER],
            "a system message is required",
            id="needs a system",
        ),
    ],
)  # fmt: skip
def test_refused_messages_are_named(check: Check, template: str, messages: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check(template, *messages)


LEFT_OUT = {
    "system": ("m.role != 'system'", rf"the system message of prompt triage/1, .* reads it; {TAKES_NO_SYSTEM}"),
    "all but the first": ("m == messages[0] or m.role == 'assistant'", "user message .*; use another base model or"),
    "long messages": ("m.content | length < 3 or m.role == 'assistant'", "leaves out the system message"),
}


@pytest.mark.parametrize(("condition", "message"), LEFT_OUT.values(), ids=LEFT_OUT.keys())
def test_message_that_no_model_reads_is_refused(check: Check, condition: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check(TURNS.replace("in messages", f"in messages if {condition}") + ASKING, SYSTEM, USER)


MOVED = {
    "into the user's": "{% if m.role == 'user' %}{{ messages[0].content | upper }} {{ m.content }}{% endif %}",
    "behind it": "{% if m.role == 'user' %}{{ m.content }} {{ messages[0].content | trim }}{% endif %}",
}


@pytest.mark.parametrize("content", MOVED.values(), ids=MOVED.keys())
def test_message_written_elsewhere_is_valid(check: Check, content: str) -> None:
    asking = "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    turns = "{% for m in messages if m.role != 'assistant' %}<|user|>" + content + "<|end|>{% endfor %}"
    answer = "{% if messages[-1].role == 'assistant' %}<|assistant|>{{ messages[-1].content }}<|end|>{% endif %}"
    assert check(turns + answer + asking, SYSTEM, USER).prompt_tokens


THINKS = (
    TURNS + "{% if add_generation_prompt %}<|assistant|>{% if thinking is defined and not thinking %}{% else %}<think>"
    "{% endif %}{% endif %}"
)
SILENT = (
    "{% for m in messages %}<|{{ m.role }}|>{% if m.role == 'assistant' %}<think></think>{% endif %}"
    "{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|><think>{% if enable_thinking == false %}</think>{% endif %}{% endif %}"
)


def test_opened_thought_is_refused_with_its_argument(check: Check) -> None:
    remedy = r"after '<think>', which no .* write `chat_template_kwargs: \{thinking: false\}` under `task`"
    with pytest.raises(InputError, match=remedy):
        check(THINKS)
    with pytest.raises(InputError, match=r"after '<think>'"):
        check(THINKS, thinking=True)
    assert check(THINKS, thinking=False).context == 64


def test_thought_that_both_write_is_valid(check: Check) -> None:
    assert check(SILENT).prompt_tokens == check(SILENT, enable_thinking=True).prompt_tokens
    assert check(SILENT, enable_thinking=False).prompt_tokens > check(SILENT).prompt_tokens


def test_words_before_answer_are_refused(check: Check) -> None:
    with pytest.raises(InputError, match=r"after 'Sure: ', which .* whose generation prompt ends where the answer"):
        check(TURNS + "{% if add_generation_prompt %}<|assistant|>Sure: {% endif %}")


def test_unread_argument_is_refused(check: Check) -> None:
    with pytest.raises(InputError, match=r"task.chat_template_kwargs.enable_thinkin is not .* mean 'enable_thinking'"):
        check(SILENT, enable_thinkin=False)
    with pytest.raises(InputError, match=r"chat_template_kwargs.documents_of .* org/model; remove it"):
        check(TURNS + ASKING, documents_of="us")


def test_prompt_longer_than_context_is_refused(check: Check) -> None:
    with pytest.raises(InputError, match=r"prompt triage/1 alone has \d+ tokens, and base org/model holds 64; shorten"):
        check(TURNS + ASKING, ("user", "word " * 90 + "{{ text }}"))


CHANGING = {
    "trims": ("{{ m.content | trim }}", ("white space around answers",)),
    "leaves thoughts out": ("{{ m.content.split('</think>')[-1] }}", ("thoughts in answers",)),
    "writes capitals": ("{{ m.content | upper }}", (*task_check._PROBES, "earlier messages")),
    "escapes": ("{{ m.content | e }}", ("thoughts in answers", "markup in answers")),
    "drops turns": (
        "{% if loop.index0 >= loop.length - 2 %}{{ m.content }}{% endif %}",
        ("earlier messages",),
    ),
    "refuses thoughts": (
        "{% if '<think>' in m.content %}{{ raise_exception('no thoughts') }}{% endif %}{{ m.content }}",
        ("thoughts in answers",),
    ),
    "changes nothing": ("{{ m.content }}", ()),
}


@pytest.mark.parametrize(("content", "changes"), CHANGING.values(), ids=CHANGING.keys())
def test_changes_by_a_template_are_logged(
    check: Check, caplog: pytest.LogCaptureFixture, content: str, changes: tuple[str, ...]
) -> None:
    assert check(TURNS.replace("{{ m.content }}", content) + ASKING, output="text").changes == changes
    logged = [line.partition(" changes or leaves out ")[2].partition(";")[0] for line in caplog.messages]
    assert logged == ([", ".join(changes)] if changes else [])


def test_refusal_of_one_text_hides_it(tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    tokenizer.chat_template = "{{ messages[0].content[99] + 1 if 'secret' in messages[0].content else 'a' }}"
    with pytest.raises(InputError, match=r"refuses these messages: it fails with \w+ for one of the texts") as raised:
        render_chats(tokenizer, [[{"role": "user", "content": "my secret"}]], asking=True)
    assert raised.value.__suppress_context__
