"""Task check: whether a base model's chat template renders a task's prompt, alike in training and inference."""

import json
import logging
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from nightloom.artifacts.fingerprints import TOKENS
from nightloom.artifacts.folders import fetch_model
from nightloom.artifacts.ids import BaseId
from nightloom.artifacts.models import BaseModelManifest, TaskRendering, TaskSpec
from nightloom.artifacts.prompts import Prompt, PromptContent
from nightloom.core.errors import InputError
from nightloom.prompts.templates import render_example
from nightloom.registry.store import open_store
from nightloom.rendering.chat import Conversation, encode_texts, list_roles, render_chats
from nightloom.rendering.tokenizer import load_tokenizer
from nightloom.rendering.tokens import find_context, load_config

logger = logging.getLogger(__name__)

_PROBES = {
    "white space around answers": " b ",
    "thoughts in answers": "<think>\na\n</think>\n\nb",
    "the case of answers": "A b",
    "markup in answers": "<i>a</i> & b",
}
"""What a chat template may change, and an answer that shows it."""

_EARLIER = [{"content": "An earlier question", "role": "user"}, {"content": "An earlier reply", "role": "assistant"}]

_MERGE_SYSTEM = "put the words of its system message into its user message"

_SHORT_THOUGHT = ({"enable_thinking": False}, {"thinking": False})
"""Arguments by which templates leave thoughts out: Qwen's and GLM's, DeepSeek's and Granite's."""


def identify_task_rendering(base_id: BaseId, task: TaskSpec, packages: Mapping[str, str]) -> TaskRendering.Key:
    """Return the cache key of a task's check; packages are those of the interpreter that renders."""
    return TaskRendering.Key(base=base_id, task=task, code=TOKENS.code(), packages=TOKENS.versions(packages))


def run_task_check(base_id: BaseId, task: dict[str, Any], base: str) -> str:
    """Check a task in this process, and return the id of the cached result: for a child process.

    Args:
        base_id: The frozen base model.
        task: A TaskSpec in JSON.
        base: Name of the base model in the recipe, for messages.

    Raises:
        InputError: The chat template cannot render the task, or not the same when trained and when asked.
    """
    store, wanted = open_store(), TaskSpec.model_validate(task)
    key = identify_task_rendering(base_id, wanted, TOKENS.versions())

    def check() -> TaskRendering:
        folder = fetch_model(store, BaseModelManifest, base_id)[1]
        return TaskRendering(key=key, result=check_task(folder, store.load(Prompt, wanted.prompt), wanted, base))

    return store.find_or_make(TaskRendering, key, check).id


def check_task(folder: Path, prompt: Prompt, task: TaskSpec, base: str) -> TaskRendering.Result:
    """Render a task's prompt with a short text and answer.

    Args:
        folder: Folder of the base model.
        prompt: Prompt of the task.
        task: The task.
        base: Name of the base model, for messages.

    Raises:
        InputError: The chat template cannot render the task, or leaves out a message, or differs between training
            and inference; or the prompt alone fills the base model's context.
    """
    tokenizer, kwargs = load_tokenizer(folder), task.chat_template_kwargs
    _refuse_unread(tokenizer, kwargs, base)
    answer = {field: values[0] if values else "b" for field, values in task.answer.items()}
    example = render_example(prompt.content, "a", None, json.dumps(answer), task.field_order, task.output)
    name = prompt.provenance.name
    try:
        asked, whole = _render(tokenizer, example, kwargs)
    except InputError as error:
        msg = f"base {base} cannot be asked with prompt {name}: {error}; {_suggest(tokenizer, example, kwargs)}"
        raise InputError(msg) from error
    if not whole.startswith(asked):
        raise InputError(_explain_skew(tokenizer, example, kwargs, base))
    if unread := _list_unread_roles(tokenizer, example[:-1], kwargs):
        remedy = _MERGE_SYSTEM if unread[0] == "system" else "use another base model or chat template"
        msg = (
            f"the chat template of base {base} leaves out the {unread[0]} message of prompt {name}, so the model never "
            f"reads it; {remedy}"
        )
        raise InputError(msg)
    context, prompt_tokens = find_context(load_config(folder)), len(encode_texts(tokenizer, [asked])[0])
    if prompt_tokens >= context:
        msg = (
            f"prompt {name} alone has {prompt_tokens} tokens, and base {base} holds {context}; shorten the prompt, "
            f"or use a base model that holds more"
        )
        raise InputError(msg)
    changes = _find_changes(tokenizer, prompt.content, task)
    if changes:
        logger.warning(
            "the chat template of base %s changes or leaves out %s; answers that it changes are counted when examples "
            "are encoded",
            base,
            ", ".join(changes),
        )
    return TaskRendering.Result(context=context, prompt_tokens=prompt_tokens, changes=changes)


def _find_changes(tokenizer: Any, prompt: PromptContent, task: TaskSpec) -> tuple[str, ...]:
    """Return what the chat template changes or leaves out."""
    changed = [name for name, probe in _PROBES.items() if not _is_intact(tokenizer, prompt, task, probe)]
    return (*changed, *([] if _writes_earlier(tokenizer, prompt, task) else ["earlier messages"]))


def _writes_earlier(tokenizer: Any, prompt: PromptContent, task: TaskSpec) -> bool:
    """Whether the chat template writes earlier messages, or refuses them, which each row would report."""
    answer = json.dumps(dict.fromkeys(task.answer, "b"))
    example = render_example(prompt, "a", _EARLIER, answer, task.field_order, task.output)
    try:
        _, whole = _render(tokenizer, example, task.chat_template_kwargs)
    except InputError:
        return True
    return all(turn["content"] in whole for turn in _EARLIER)


def _is_intact(tokenizer: Any, prompt: PromptContent, task: TaskSpec, probe: str) -> bool:
    """Whether the chat template writes an answer as it is whose free fields hold a probe."""
    answer = {field: values[0] if values else probe for field, values in task.answer.items()}
    example = render_example(prompt, "a", None, json.dumps(answer), task.field_order, task.output)
    try:
        asked, whole = _render(tokenizer, example, task.chat_template_kwargs)
    except InputError:
        return False  # It may refuse such answers, which each row would report.
    return example[-1]["content"] in whole.removeprefix(asked)


def _list_unread_roles(tokenizer: Any, messages: Conversation, kwargs: Mapping[str, Any]) -> list[str]:
    """Return the roles of messages that another text would not change, because the chat template writes none of them.

    A template may write a message elsewhere or in another form, so its words alone would not show this.
    """
    longer = [
        [{**one, "content": f"{one['content']} b" if one is message else one["content"]} for one in messages]
        for message in messages
    ]
    plain, *changed = render_chats(tokenizer, [messages, *longer], asking=True, template_kwargs=kwargs)
    return [message["role"] for message, text in zip(messages, changed, strict=True) if text == plain]


def _render(tokenizer: Any, example: Conversation, kwargs: Mapping[str, Any]) -> tuple[str, str]:
    """Return an example as it is asked, up to its answer, and as it is trained on."""
    (asked,) = render_chats(tokenizer, [example[:-1]], asking=True, template_kwargs=kwargs)
    (whole,) = render_chats(tokenizer, [example], asking=False, template_kwargs=kwargs)
    return asked, whole


def _refuse_unread(tokenizer: Any, kwargs: Mapping[str, Any], base: str) -> None:
    words = set(re.findall(r"[A-Za-z_]\w*", tokenizer.get_chat_template()))
    for name in kwargs:
        if name not in words:
            close = get_close_matches(name, words, n=1)
            remedy = f"did you mean {close[0]!r}?" if close else "remove it"
            msg = f"task.chat_template_kwargs.{name} is not read by the chat template of base {base}; {remedy}"
            raise InputError(msg)


def _suggest(tokenizer: Any, example: Conversation, kwargs: Mapping[str, Any]) -> str:
    """Return what to do about messages that a template refuses."""
    others = [message for message in example if message["role"] != "system"]
    if len(others) < len(example):
        # The words of the system message would be the user's.
        try:
            _render(tokenizer, others, kwargs)
        except InputError:
            pass
        else:
            return _MERGE_SYSTEM
    return f"change its messages ({list_roles(example[:-1])}), or use another base model"


def _explain_skew(tokenizer: Any, example: Conversation, kwargs: Mapping[str, Any], base: str) -> str:
    """Return why no example would be asked as it was trained on, and what to do."""
    asked, whole = _render(tokenizer, example, kwargs)
    position = next((at for at, pair in enumerate(zip(asked, whole, strict=False)) if pair[0] != pair[1]), len(whole))
    problem = (
        f"the chat template of base {base} asks for an answer after {asked[position:][:40]!r}, which no finished "
        f"answer has there, so nothing that is trained could be promoted"
    )
    template = tokenizer.get_chat_template()
    for more in _SHORT_THOUGHT:
        if all(name in template for name in more):
            asked, whole = _render(tokenizer, example, {**kwargs, **more})
            if whole.startswith(asked):
                given = ", ".join(f"{name}: {json.dumps(value)}" for name, value in more.items())
                return f"{problem}; write `chat_template_kwargs: {{{given}}}` under `task`"
    return f"{problem}; use a base model or a chat template whose generation prompt ends where the answer begins"
