"""Parity: proof that a model has no training-serving skew, required before it is promoted.

Evaluation and batch ask in the same way: `prompts.templates.render_prompt`, then the engine, which merges the adapter
and answers in batches. Training learned from stored token ids. Both are compared here with transformers and peft alone:
the adapter attached to its base model without merging, one example at a time.
"""

import logging
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from nightloom.engines.adapters import attach_adapter
from nightloom.engines.transformers import answer_greedily, open_transformers
from nightloom.prompts.templates import render_prompt
from nightloom.rendering.chat import encode_chats
from nightloom.rendering.tokenizer import load_tokenizer
from nightloom.rendering.tokens import find_context, load_config

logger = logging.getLogger(__name__)

_SAMPLE = 32  # examples: enough to find a systematic skew, few enough for one-by-one generation
_CHANGE = 1e-3
"""An adapter that changes no logit by more has no effect. Trained adapters change logits by about 1 or more."""

TOLERANCES = {"float32": 1e-4, "float16": 1e-2, "bfloat16": 5e-2}
"""Allowed change of logits by merging, as a share of the largest logit: merging rounds each weight to its type."""

_SAMPLED: Schema = {
    "row_id": pl.String,
    "text": pl.String,
    "history": HISTORY,
    "asked": pl.List(pl.Int32),
    "was_learned": pl.Boolean,
    "sort_key": pl.String,
}


@dataclass(frozen=True, slots=True)
class _Answer:
    """Answer of transformers and peft alone to one prompt.

    Attributes:
        tokens: Token ids of the answer, with its end token.
        leads: For each token, its logit's lead over the second, as a share of the largest logit.
    """

    tokens: list[int]
    leads: list[float]


@dataclass(frozen=True, slots=True)
class _Reference:
    """Results of transformers and peft alone: logits of the model and of its base model, and answers."""

    base_logits: Any
    logits: Any
    answers: list[_Answer]
    dtype: str


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
    return store.find_or_make(Parity, key, lambda: _prove(store, key, tokens))


def identify_parity(
    model: ModelRef, task: TaskSpec, max_new_tokens: int, snapshot_id: SnapshotId, packages: Mapping[str, str]
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


def _prove(store: ObjectStore, key: Parity.Key, tokens: Tokens) -> Parity:
    began = time.monotonic()
    checks = []
    for check in _check(store, key, tokens):
        logger.info("parity of adapter %s: %s", short(str(key.model.adapter)), check.message)
        checks.append(check)
    return Parity(key=key, result=Parity.Result(checks=tuple(checks), seconds=round(time.monotonic() - began, 2)))


def _check(store: ObjectStore, identity: Parity.Key, tokens: Tokens) -> Iterator[ParityCheck]:
    examples = sample_examples(store, tokens)
    prompt = store.load(Prompt, identity.task.prompt).content
    _, base = fetch_model(store, BaseModelManifest, identity.model.base)
    tokenizer = load_tokenizer(base)
    texts = examples.select("text", "history").iter_rows()
    chats = [render_prompt(prompt, text, history) for text, history in texts]
    asked = encode_chats(tokenizer, chats, identity.task.chat_template_kwargs)
    yield _check_ids(examples["asked"].to_list(), asked)
    manifest, folder = fetch_model(store, Adapter, Adapter.as_id(str(identity.model.adapter)))
    is_attached = manifest.content.method == "lora"
    fitting = _keep_fitting(base, asked, identity.max_new_tokens)
    reference = _ask_reference(base, folder, tokenizer, fitting, identity.max_new_tokens, is_attached=is_attached)
    changes = _check_change(reference)
    yield changes
    if not changes.passed:
        return  # the engine refuses to open it
    engine = open_transformers(base, folder, manifest.content.method)
    if is_attached:
        yield _check_merge(reference, _read_logits(engine.model, fitting))
    yield _check_answers(reference, engine.complete(fitting, identity.max_new_tokens))


def _keep_fitting(base: Path, prompts: Sequence[list[int]], max_new_tokens: int) -> list[list[int]]:
    context = find_context(load_config(base))
    return [prompt for prompt in prompts if len(prompt) + max_new_tokens <= context]


def _ask_reference(
    base: Path, adapter: Path, tokenizer: Any, prompts: Sequence[list[int]], max_new_tokens: int, *, is_attached: bool
) -> _Reference:
    """Ask with transformers and peft alone. Only one model is in memory at a time."""
    model = load_model(base).eval()
    base_logits = _read_logits(model, prompts)
    if is_attached:
        model = attach_adapter(model, adapter).eval()
    else:
        del model
        model = load_model(adapter).eval()
    settings = answer_greedily(model, tokenizer, max_new_tokens)
    return _Reference(
        base_logits=base_logits,
        logits=_read_logits(model, prompts),
        answers=[_answer(model, prompt, settings) for prompt in prompts],
        dtype=str(model.dtype).removeprefix("torch."),
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


def _answer(model: Any, prompt: list[int], settings: Any) -> _Answer:
    import torch

    shown = torch.tensor([prompt], device=model.device)
    with torch.inference_mode():
        generated = model.generate(
            input_ids=shown,
            attention_mask=torch.ones_like(shown),
            generation_config=settings,
            output_logits=True,
            return_dict_in_generate=True,
        )
    leads = []
    for logits in generated.logits:
        first, second = logits[0].float().topk(2).values.tolist()
        leads.append((first - second) / (logits.abs().max().item() or 1.0))
    return _Answer(generated.sequences[0, len(prompt) :].tolist(), leads)


def _check_ids(learned: Sequence[Sequence[int]], asked: Sequence[Sequence[int]]) -> ParityCheck:
    differing = sum(list(ours) != list(theirs) for ours, theirs in zip(learned, asked, strict=True))
    if differing or not asked:
        message = (
            f"the token ids before the answer differ between training and inference in {differing} of "
            f"{len(asked)} examples"
        )
    else:
        message = f"the token ids of {len(asked)} examples are the same in training, evaluation and batch"
    return _make_check("ids", differing, 0, len(asked), message, passed=bool(asked) and not differing)


def _check_change(reference: _Reference) -> ParityCheck:
    n = len(reference.answers)
    change = _find_largest(reference.logits - reference.base_logits)
    passed = _CHANGE < change < sys.float_info.max
    if passed:
        message = f"the adapter changes logits of its base model by up to {change:.3g} in {n} examples"
    elif not n:
        message = "no example leaves room for an answer in the model's context, so nothing can be compared"
    elif change > _CHANGE:
        message = f"logits of the adapter or of its base model are not finite in {n} examples"
    else:
        message = (
            f"the adapter changes no logit of its base model by more than {_CHANGE:g} in {n} examples: {change:.3g} "
            f"at most"
        )
    return _make_check("adapter", change, _CHANGE, n, message, passed=passed)


def _check_merge(reference: _Reference, merged: Any) -> ParityCheck:
    n, tolerance = len(reference.answers), _find_tolerance(reference)
    share = min(_find_largest(merged - reference.logits) / _find_largest(reference.logits), sys.float_info.max)
    passed = share <= tolerance
    how = "within" if passed else "more than"
    message = (
        f"logits of the merged model differ from the adapter's by {share:.2g} of the largest in {n} examples, {how} "
        f"the {tolerance:g} allowed for {reference.dtype}"
    )
    return _make_check("merge", share, tolerance, n, message, passed=passed)


def _check_answers(reference: _Reference, outputs: Sequence[list[int]]) -> ParityCheck:
    n, tolerance = len(reference.answers), _find_tolerance(reference)
    leads = [
        _find_lead(answer, output)
        for answer, output in zip(reference.answers, outputs, strict=True)
        if answer.tokens != output
    ]
    close = sum(lead <= tolerance for lead in leads)
    differing = len(leads) - close
    if differing:
        message = (
            f"answers of the engine's batch differ from those of the adapter asked one by one in {differing} of {n} "
            f"examples"
        )
    else:
        message = (
            f"answers of the engine's batch equal those of the adapter asked one by one in {n - close} of {n} examples"
        )
    if close:
        message += f"; in {close} more the two likeliest tokens were closer than {tolerance:g} of the largest logit"
    return _make_check("answers", differing, 0, n, message, passed=not differing)


def _find_tolerance(reference: _Reference) -> float:
    return TOLERANCES.get(reference.dtype, TOLERANCES["float32"])


def _find_lead(answer: _Answer, output: Sequence[int]) -> float:
    """Return the lead of the reference's token at the first position where the answers differ."""
    pairs = zip(answer.tokens, output, strict=False)
    position = next((at for at, (ours, theirs) in enumerate(pairs) if ours != theirs), len(output))
    return answer.leads[position] if position < len(answer.leads) else sys.float_info.max


def _find_largest(values: Any) -> float:
    """Return the largest magnitude, or the largest float if a value is not finite."""
    if not values.numel():
        return 0.0
    return float(values.abs().max()) if values.isfinite().all() else sys.float_info.max


def _make_check(name: Any, value: float, tolerance: float, n: int, message: str, *, passed: bool) -> ParityCheck:
    return ParityCheck(name=name, passed=passed, value=float(f"{value:.6g}"), tolerance=tolerance, n=n, message=message)
