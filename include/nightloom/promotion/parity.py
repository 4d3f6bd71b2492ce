"""Parity: proof that a model has no training-serving skew, required before it is promoted.

Evaluation and batch ask in the same way: `prompts.templates.render_prompt`, then the engine, which merges the adapter
and answers in batches. Training learned from stored token ids. Both are compared here with transformers and peft alone:
the adapter attached to its base model without merging, one example at a time.

A candidate is proved on examples of its snapshot. A model that a person moves or imports is proved on texts made up
here, since it may have no snapshot: all of the proof but the token ids of training.
"""

import logging
import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

from nightloom.artifacts import fingerprints
from nightloom.artifacts.data import Snapshot
from nightloom.artifacts.folders import fetch_model
from nightloom.artifacts.frames import EXAMPLES, HISTORY, TOKENS, Schema, get_frame
from nightloom.artifacts.ids import SnapshotId
from nightloom.artifacts.leaves import sha256
from nightloom.artifacts.models import Adapter, BaseModelManifest, ModelRef, TaskSpec
from nightloom.artifacts.prompts import Prompt
from nightloom.artifacts.results import Parity, ParityCheck
from nightloom.artifacts.training import Tokens
from nightloom.base_models.loading import load_model
from nightloom.core.digests import short
from nightloom.core.store import ObjectStore
from nightloom.engines.adapters import attach_adapter, find_tied_layer
from nightloom.engines.transformers import limit_answer, make_greedy, open_transformers
from nightloom.promotion.parity_checks import (
    Answer,
    Reference,
    check_answers,
    check_change,
    check_ids,
    check_merge,
)
from nightloom.prompts.templates import render_prompt
from nightloom.rendering.chat import encode_chats
from nightloom.rendering.tokenizer import load_tokenizer
from nightloom.rendering.tokens import find_context, load_config

logger = logging.getLogger(__name__)

_SAMPLE = 32  # examples: enough to find a systematic skew, few enough for one-by-one generation
_MADE_UP = 8  # texts: a wrong merge or a penalty shows in each
_MADE_UP_ANSWER = 16  # tokens

_SAMPLED: Schema = {
    "row_id": pl.String,
    "text": pl.String,
    "history": HISTORY,
    "asked": pl.List(pl.Int32),
    "was_learned": pl.Boolean,
    "sort_key": pl.String,
}


@dataclass(frozen=True, slots=True)
class Tuned:
    """Folders of a tuned model, and how its weights relate to the base model's."""

    base: Path
    adapter: Path
    method: Literal["lora", "full"]


def prove_parity(store: ObjectStore, model: ModelRef, task: TaskSpec, max_new_tokens: int, tokens: Tokens) -> Parity:
    """Return the proof for a model, cached in the store.

    Args:
        store: Holds models, examples and tokens.
        model: Model with an adapter that has weights.
        task: Task of the model.
        max_new_tokens: Largest number of tokens of an answer.
        tokens: Tokens that the adapter was trained on.

    Raises:
        InputError: The adapter does not fit its base model.
    """
    snapshot = tokens.key.snapshot
    key = identify_parity(model, task, max_new_tokens, snapshot, fingerprints.PARITY.versions())
    return store.find_or_make(Parity, key, lambda: _finish(key, _check_examples(store, key, tokens)))


def prove_on_made_up_texts(store: ObjectStore, model: ModelRef, task: TaskSpec, tuned: Tuned) -> Parity:
    """Return the proof for a model on texts made up here, without publishing it.

    Args:
        store: Holds the prompt.
        model: The model. Its adapter need not be published yet.
        task: Task of the model.
        tuned: Its folders.

    Raises:
        InputError: The adapter does not fit its base model.
    """
    key = identify_made_up_parity(model, task, fingerprints.PARITY.versions())
    return _finish(key, _check_made_up(store, key, tuned))


def identify_made_up_parity(model: ModelRef, task: TaskSpec, packages: Mapping[str, str]) -> Parity.Key:
    """Return the cache key of the proof for a model on made-up texts; packages as in `identify_parity`."""
    return identify_parity(model, task, _MADE_UP_ANSWER, None, packages)


def identify_parity(
    model: ModelRef, task: TaskSpec, max_new_tokens: int, snapshot_id: SnapshotId | None, packages: Mapping[str, str]
) -> Parity.Key:
    """Return the cache key of the proof for a model; packages are those of the interpreter that runs it."""
    return Parity.Key(
        model=model,
        task=task,
        max_new_tokens=max_new_tokens,
        snapshot=snapshot_id,
        code=fingerprints.PARITY.code(),
        packages=fingerprints.PARITY.versions(packages),
    )


def check_merged(tuned: Tuned, folder: Path) -> ParityCheck:
    """Return whether a written model is the same as its adapter on the base model, asked with made-up texts."""
    tokenizer = load_tokenizer(tuned.base)
    chats = [[{"role": "user", "content": text}] for text in _make_up_texts(tokenizer)]
    prompts = _keep_fitting(tuned.base, encode_chats(tokenizer, chats), 1)
    reference = _ask_reference(tuned, tokenizer, prompts, 1)
    return check_merge(reference, _read_logits(load_model(folder).eval(), prompts))


def sample_examples(store: ObjectStore, tokens: Tokens) -> pl.DataFrame:
    """Return a fixed sample of a snapshot's examples, with the token ids before each answer (`asked`).

    Examples that were held out of training come first.
    """
    sampled = pl.DataFrame(schema=_SAMPLED)
    shards = store.load(Snapshot, tokens.key.snapshot).provenance.files
    for shard, blob in zip(shards, tokens.result.frames, strict=True):
        rows = get_frame(store, shard.sha256, EXAMPLES).select("row_id", "text", "history")
        # The ids before the answer: within an answer every token is learned.
        asked = pl.col("input_ids").list.head(pl.col("learned").list.eval(~pl.element()).list.sum())
        shown = get_frame(store, blob, TOKENS).select(
            "row_id",
            asked=asked,
            was_learned=pl.col("split") == "train",
            sort_key=sha256(pl.col("row_id")),
        )
        sampled = pl.concat([sampled, rows.join(shown, on="row_id")]).sort("was_learned", "sort_key").head(_SAMPLE)
    return sampled


def _finish(key: Parity.Key, checks: Iterable[ParityCheck]) -> Parity:
    began = time.monotonic()
    done = []
    for check in checks:
        logger.info("parity of adapter %s: %s", short(str(key.model.adapter)), check.message)
        done.append(check)
    return Parity(key=key, result=Parity.Result(checks=tuple(done), seconds=round(time.monotonic() - began, 2)))


def _check_examples(store: ObjectStore, identity: Parity.Key, tokens: Tokens) -> Iterator[ParityCheck]:
    examples = sample_examples(store, tokens)
    prompt = store.load(Prompt, identity.task.prompt).content
    _, base = fetch_model(store, BaseModelManifest, identity.model.base)
    manifest, folder = fetch_model(store, Adapter, Adapter.as_id(str(identity.model.adapter)))
    tokenizer = load_tokenizer(base)
    texts = examples.select("text", "history").iter_rows()
    chats = [render_prompt(prompt, text, history) for text, history in texts]
    asked = encode_chats(tokenizer, chats, identity.task.chat_template_kwargs)
    yield check_ids(examples["asked"].to_list(), asked)
    yield from _check_model(Tuned(base, folder, manifest.content.method), tokenizer, asked, identity.max_new_tokens)


def _check_made_up(store: ObjectStore, identity: Parity.Key, tuned: Tuned) -> Iterator[ParityCheck]:
    prompt = store.load(Prompt, identity.task.prompt).content
    tokenizer = load_tokenizer(tuned.base)
    chats = [render_prompt(prompt, text) for text in _make_up_texts(tokenizer)]
    asked = encode_chats(tokenizer, chats, identity.task.chat_template_kwargs)
    yield from _check_model(tuned, tokenizer, asked, identity.max_new_tokens)


def _make_up_texts(tokenizer: Any) -> list[str]:
    """Return short texts of tokens drawn from the whole vocabulary, the same on every machine."""
    chance = random.Random(0)  # noqa: S311  # not for secrets
    return [
        tokenizer.decode([chance.randrange(len(tokenizer)) for _ in range(length)], skip_special_tokens=True)
        for length in range(1, _MADE_UP + 1)
    ]


def _check_model(
    tuned: Tuned, tokenizer: Any, asked: Sequence[list[int]], max_new_tokens: int
) -> Iterator[ParityCheck]:
    """Compare the engine with transformers and peft alone."""
    fitting = _keep_fitting(tuned.base, asked, max_new_tokens)
    reference = _ask_reference(tuned, tokenizer, fitting, max_new_tokens)
    changes = check_change(reference)
    yield changes
    if not changes.passed:
        return  # What equals the base model needs no further proof.
    engine = open_transformers(tuned.base, tuned.adapter, tuned.method)
    if tuned.method == "lora":
        yield check_merge(reference, _read_logits(engine.model, fitting))
    yield check_answers(reference, engine.complete(fitting, max_new_tokens))


def _keep_fitting(base: Path, prompts: Sequence[list[int]], max_new_tokens: int) -> list[list[int]]:
    context = find_context(load_config(base))
    return [prompt for prompt in prompts if len(prompt) + max_new_tokens <= context]


def _ask_reference(tuned: Tuned, tokenizer: Any, prompts: Sequence[list[int]], max_new_tokens: int) -> Reference:
    """Ask with transformers and peft alone. Only one model is in memory at a time."""
    model = make_greedy(load_model(tuned.base), tokenizer).eval()
    base_logits = _read_logits(model, prompts)
    tied = None
    if tuned.method == "lora":
        model = attach_adapter(model, tuned.adapter).eval()
        tied = find_tied_layer(model)
    else:
        del model
        model = make_greedy(load_model(tuned.adapter), tokenizer).eval()
    return Reference(
        base_logits=base_logits,
        logits=_read_logits(model, prompts),
        answers=[_answer(model, prompt, limit_answer(max_new_tokens)) for prompt in prompts],
        dtype=str(model.dtype).removeprefix("torch."),
        tied=tied,
    )


def _read_logits(model: Any, prompts: Sequence[list[int]]) -> Any:
    """Return the logits after each prompt, one row per prompt, as float32 on the CPU."""
    import torch

    with torch.inference_mode():
        rows = [
            model(torch.tensor([prompt], device=model.device), logits_to_keep=1).logits[0, -1].float().cpu()
            for prompt in prompts
        ]
    return torch.stack(rows) if rows else torch.zeros(0, 1)


def _answer(model: Any, prompt: list[int], settings: Any) -> Answer:
    import torch

    shown = torch.tensor([prompt], device=model.device)
    settings.update(output_logits=True, return_dict_in_generate=True)
    with torch.inference_mode():
        generated = model.generate(input_ids=shown, attention_mask=torch.ones_like(shown), generation_config=settings)
    tokens = generated.sequences[0, len(prompt) :].tolist()
    pairs = zip(tokens, generated.logits, strict=True)
    return Answer(tokens, [_measure_lead(token, logits[0].float()) for token, logits in pairs])


def _measure_lead(token: int, logits: Any) -> float:
    """Return the lead of a token's logit over every other, as a share of the largest logit."""
    others = logits.clone()
    others[token] = -float("inf")
    return float((logits[token] - others.max()) / (logits.abs().max() or 1.0))
