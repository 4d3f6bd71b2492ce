"""Prompt versions: `include/prompts/<name>/<number>.yaml`, frozen by digest, rendered in a sandbox."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import ValidationError

from nightloom.artifacts.answers import Answer
from nightloom.artifacts.histories import History
from nightloom.artifacts.prompts import Prompt, PromptContent, PromptProvenance
from nightloom.core.digests import parse_json
from nightloom.core.errors import InputError
from nightloom.core.labels import find_label

_MOST_CHARACTERS = 100_000
_PROBES = ("one text " * 60, "two words " * 60)
"""Texts of some length, which each prompt writes in its own way."""


def read_prompt(directory: Path, name: str) -> Prompt:
    """Read a prompt version such as `support_triage/1` from its file.

    Raises:
        InputError: The file is missing, or not a prompt.
    """
    path = directory / f"{name}.yaml"
    if not path.is_file():
        known = sorted(p.relative_to(directory).with_suffix("").as_posix() for p in directory.glob("*/*.yaml"))
        msg = f"prompt {name!r} has no file {path.name} in {path.parent}; known: {', '.join(known) or 'none'}"
        raise InputError(msg)
    try:
        identity = PromptContent.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        for message in identity.messages:
            _compile(message.content)
    except (yaml.YAMLError, ValidationError, TemplateError) as error:
        first = str(error).splitlines()[0]
        msg = f"prompt {name!r} in {path} cannot be used: {first}; write a list `messages` of role and content"
        raise InputError(msg) from error
    try:
        one, other = (render_prompt(identity, text) for text in _PROBES)
    except InputError as error:
        msg = f"prompt {name!r} in {path} cannot be used: {error}; its only variable is `text`"
        raise InputError(msg) from error
    if one == other:
        msg = f"prompt {name!r} in {path} never writes the text of a row; write `{{{{ text }}}}` where it belongs"
        raise InputError(msg)
    return Prompt(content=identity, provenance=PromptProvenance(name=name))


def render_prompt(prompt: PromptContent, text: str, history: History | None = None) -> list[dict[str, str]]:
    """Return the prompt's messages with a text.

    In a conversation, `text` is the user's last message and `history` the messages before it. System messages of both
    prompt and history become one message. Then come the other messages of the history, then the rest of the prompt.

    Raises:
        InputError: The template cannot be rendered, or the result has more than 100,000 characters.
    """
    try:
        messages = [
            {"role": message.role, "content": _compile(message.content).render(text=text)}
            for message in prompt.messages
        ]
    except Exception as error:  # A template is a program of its author: it may fail in any way.
        msg = f"the prompt cannot be rendered: {_explain(prompt, error)}"
        # The cause is left out: it may quote the text.
        raise InputError(msg) from None
    if history:
        messages = _join(messages, history)
    if sum(len(message["content"]) for message in messages) > _MOST_CHARACTERS:
        msg = f"the rendered prompt has more than {_MOST_CHARACTERS} characters; shorten the template or the text"
        raise InputError(msg)
    return messages


def _explain(prompt: PromptContent, error: Exception) -> str:
    """Return the error message for an empty text, because the original message may quote the text."""
    try:
        for message in prompt.messages:
            _compile(message.content).render(text="")
    except Exception as same:
        return str(same)
    return f"it fails with {type(error).__name__} for one of the texts"


def _join(messages: Sequence[dict[str, str]], history: History) -> list[dict[str, str]]:
    first = next((index for index, message in enumerate(messages) if message["role"] != "system"), len(messages))
    earlier = [{"role": message["role"], "content": message["content"]} for message in history]
    systems = [*messages[:first], *(message for message in earlier if message["role"] == "system")]
    joined = "\n\n".join(message["content"] for message in systems)
    # One message, because the chat templates of many models refuse a second system message.
    system = [{"role": "system", "content": joined}] if systems else []
    return [*system, *(message for message in earlier if message["role"] != "system"), *messages[first:]]


def render_target(answer: Mapping[str, str], fields: Sequence[str], output: Literal["json", "text"]) -> str:
    """Return the text of the reference answer."""
    if output == "text":
        return answer[fields[0]]
    return json.dumps({field: answer[field] for field in fields}, ensure_ascii=False)


def render_example(
    prompt: PromptContent,
    text: str,
    history: History | None,
    answer: str,
    fields: Sequence[str],
    output: Literal["json", "text"],
) -> list[dict[str, str]]:
    """Return the conversation of a training example: the prompt's messages and the reference answer.

    Args:
        prompt: The prompt.
        text: The user's last message.
        history: The messages before it, or None.
        answer: The answer as JSON, as in a snapshot.
        fields: Fields of the answer, in the order of the output.
        output: Format of the answer.

    Raises:
        InputError: The template cannot be rendered, or the result has more than 100,000 characters.
    """
    target = render_target(json.loads(answer), fields, output)
    return [*render_prompt(prompt, text, history), {"role": "assistant", "content": target}]


def parse_output(
    given: Answer,
    fields: Sequence[str],
    allowed: Mapping[str, Sequence[str] | None],
    output: Literal["json", "text"],
) -> dict[str, str] | None:
    """Return the fields of a model's answer, or None if it was cut, a field is empty, or its format is wrong.

    A cut answer may look whole: it is the beginning of another one.
    """
    if given.finish_reason != "stop":
        return None
    if output == "text":
        answer: object = {fields[0]: given.text.strip()}
    else:
        try:
            answer = parse_json(given.text)
        except ValueError:
            return None
    if not isinstance(answer, dict) or set(answer) != set(fields):
        return None
    meant: dict[str, str] = {}
    for field, value in answer.items():
        if not isinstance(value, str) or not value.strip():
            return None
        choices = allowed.get(field)
        label = value if choices is None else find_label(value, choices)
        if label is None:
            return None
        meant[field] = label
    return meant


@cache
def _compile(template: str):  # type: ignore[no-untyped-def]  # jinja2.Template, cached by its source
    return ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=False).from_string(template)
