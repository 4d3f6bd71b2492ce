"""The transformers engine: greedy generation in static batches of similar length, on CPU or one GPU."""

import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from nightloom.artifacts.answers import Answer, Request
from nightloom.base_models.loading import load_model
from nightloom.engines.adapters import merge_adapter
from nightloom.engines.base import read_texts
from nightloom.rendering.chat import NO_KWARGS, Conversation, encode_chats, encode_texts, render_chats
from nightloom.rendering.tokenizer import list_ends, load_tokenizer
from nightloom.rendering.tokens import find_context

logger = logging.getLogger(__name__)

_BATCH_TOKENS = 16_384
_BATCH_ROWS = 128

_ANSWER = "nightloom"
"""A text that no template writes by itself."""


class TransformersEngine:
    """A causal language model in this process.

    Args:
        model: A transformers model in evaluation mode.
        tokenizer: Its tokenizer, with a chat template and a padding token.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model = make_greedy(model, tokenizer)
        self.tokenizer = tokenizer
        self._context = find_context(model.config)
        self._ends = list_ends(model, tokenizer)

    def answer(self, requests: Sequence[Request]) -> Iterator[Mapping[int, Answer]]:
        """Answer the longest prompts first, in batches; a prompt without room for an answer gets an empty one."""
        chats = read_texts(requests, "transformers", {"max_completion_tokens"})
        alike: dict[tuple[int, str], list[int]] = {}
        for index, request in enumerate(requests):
            kwargs = json.dumps(request.chat_template_kwargs, sort_keys=True)
            alike.setdefault((request.parameters.max_completion_tokens, kwargs), []).append(index)
        for (limit, kwargs), indexes in sorted(alike.items()):
            yield from self._answer_alike({index: chats[index] for index in indexes}, limit, json.loads(kwargs))

    def _answer_alike(
        self, chats: Mapping[int, Conversation], limit: int, template_kwargs: Mapping[str, Any]
    ) -> Iterator[Mapping[int, Answer]]:
        opening = _read_opening(self.tokenizer, template_kwargs)
        indexes, prompts = list(chats), encode_chats(self.tokenizer, list(chats.values()), template_kwargs)
        too_long = [place for place, prompt in enumerate(prompts) if len(prompt) > self._context - limit]
        if too_long:
            yield {indexes[place]: self._read(prompts[place], [], 0, opening) for place in too_long}
        began = time.monotonic()
        for batch, outputs in self._complete(prompts, limit):
            seconds = (time.monotonic() - began) / len(batch)
            answered = zip(batch, outputs, strict=True)
            yield {indexes[place]: self._read(prompts[place], output, seconds, opening) for place, output in answered}
            began = time.monotonic()

    def complete(self, prompts: Sequence[Sequence[int]], max_new_tokens: int) -> list[list[int]]:
        """Return the tokens after each prompt, with the end token, or no tokens if the prompt leaves no room."""
        outputs: list[list[int]] = [[] for _ in prompts]
        for batch, completed in self._complete(prompts, max_new_tokens):
            for index, output in zip(batch, completed, strict=True):
                outputs[index] = output
        return outputs

    def _complete(
        self, prompts: Sequence[Sequence[int]], max_new_tokens: int
    ) -> Iterator[tuple[list[int], list[list[int]]]]:
        for batch in _batches(prompts, max_new_tokens, self._context - max_new_tokens):
            yield batch, list(self._run([prompts[i] for i in batch], max_new_tokens))

    def _run(self, prompts: list[Sequence[int]], max_new_tokens: int) -> Iterator[list[int]]:
        import torch

        batch = self.tokenizer.pad({"input_ids": prompts}, padding_side="left", return_tensors="pt")
        batch = batch.to(self.model.device)
        with torch.inference_mode():
            sequences = self.model.generate(**batch, generation_config=limit_answer(max_new_tokens))
        for output in sequences[:, batch["input_ids"].shape[1] :].tolist():
            yield output[: next((at for at, token in enumerate(output, start=1) if token in self._ends), None)]

    def _read(self, prompt: Sequence[int], output: Sequence[int], seconds: float, opening: str) -> Answer:
        return Answer(
            text=self.tokenizer.decode(output, skip_special_tokens=True).removeprefix(opening),
            finish_reason="stop" if output and output[-1] in self._ends else "length",
            prompt_tokens=len(prompt),
            completion_tokens=len(output),
            seconds=round(seconds, 6),
        )


def make_greedy(model: Any, tokenizer: Any) -> Any:
    """Make a model answer with its likeliest tokens up to an end token, whatever its folder says; return it.

    The generation config of a model's folder may hold penalties, suppressed or forced tokens, beams and more.
    transformers uses each of them that a call does not set, so all but the end tokens are dropped here.
    """
    from transformers import GenerationConfig

    model.generation_config = GenerationConfig(
        do_sample=False,
        eos_token_id=sorted(list_ends(model, tokenizer)),
        pad_token_id=tokenizer.pad_token_id,
    )
    return model


def limit_answer(max_new_tokens: int) -> Any:
    """Return the settings of one call of a greedy model."""
    from transformers import GenerationConfig

    return GenerationConfig(max_new_tokens=max_new_tokens)


def open_transformers(base: Path, adapter: Path | None, method: Literal["lora", "full"] | None) -> TransformersEngine:
    """Load a base model by itself, with a LoRA adapter merged into it, or replaced by fully tuned weights.

    Raises:
        InputError: Parts of the adapter fit no module of the model.
    """
    tokenizer = load_tokenizer(base)
    model = load_model(adapter if adapter is not None and method == "full" else base)
    if adapter is not None and method == "lora":
        model = merge_adapter(model, adapter)
    return TransformersEngine(model.eval(), tokenizer)


def _read_opening(tokenizer: Any, template_kwargs: Mapping[str, Any] = NO_KWARGS) -> str:
    """Return text that the template writes before an answer but not in the generation prompt: Qwen's empty thought."""
    question, answer = {"role": "user", "content": "a"}, {"role": "assistant", "content": _ANSWER}
    (whole,) = render_chats(tokenizer, [[question, answer]], asking=False, template_kwargs=template_kwargs)
    (asked,) = render_chats(tokenizer, [[question]], asking=True, template_kwargs=template_kwargs)
    opening = whole.removeprefix(asked).partition(_ANSWER)[0] if whole.startswith(asked) else ""
    plain: str = tokenizer.decode(encode_texts(tokenizer, [opening])[0], skip_special_tokens=True)
    return plain


def _batches(prompts: Sequence[Sequence[int]], max_new_tokens: int, room: int) -> Iterator[list[int]]:
    """Yield batches of prompts with at most `room` tokens, as indexes, longest first."""
    order = sorted((i for i, p in enumerate(prompts) if len(p) <= room), key=lambda i: (-len(prompts[i]), i))
    start = 0
    while start < len(order):
        longest = len(prompts[order[start]]) + max_new_tokens
        rows = max(1, min(_BATCH_ROWS, _BATCH_TOKENS // longest))
        yield order[start : start + rows]
        start += rows
