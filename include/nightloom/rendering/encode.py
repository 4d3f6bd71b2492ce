"""Encoding: a snapshot's examples as token ids, cached by all their inputs and read by every trial.

Shards are encoded one at a time. A shard of the parent snapshot is reused. The manifest is published last.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence

import polars as pl

from nightloom.artifacts import fingerprints
from nightloom.artifacts.blueprints import BlueprintSpec
from nightloom.artifacts.data import Snapshot
from nightloom.artifacts.folders import fetch_model
from nightloom.artifacts.frames import EXAMPLES, TOKENS, get_frame, put_frame
from nightloom.artifacts.models import BaseModelManifest, ModelFile
from nightloom.artifacts.prompts import Prompt, PromptContent
from nightloom.artifacts.reading import read_split, read_tokens
from nightloom.artifacts.training import Tokens
from nightloom.core.digests import digest_json, short
from nightloom.core.errors import InputError
from nightloom.core.store import ObjectStore
from nightloom.prompts.templates import render_example
from nightloom.rendering.chat import Conversation
from nightloom.rendering.tokens import TokenEncoder, list_tokenizer_files, open_encoder

logger = logging.getLogger(__name__)

_AT_ONCE = 512


def read_conversations(store: ObjectStore, spec: BlueprintSpec, split: str = "train") -> list[Conversation]:
    """Return a split rendered with the blueprint's prompt: conversations that end with the reference answer.

    Raises:
        InputError: There are no training rows, or the prompt cannot be rendered.
    """
    prompt = store.load(Prompt, spec.task.prompt).content
    rows = read_split(store, spec.snapshot, split)
    return _render(_require_rows(rows, spec) if split == "train" else rows, prompt, spec)


def read_encoded(store: ObjectStore, spec: BlueprintSpec) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the training and the selection split as token ids (TOKENS), sorted by row id.

    The snapshot is encoded first if it is not cached.

    Raises:
        InputError: There are no training rows, the prompt cannot be rendered, or the base model has no chat template.
    """
    tokens = encode_snapshot(store, spec)
    return _require_rows(read_tokens(store, tokens, "train"), spec), read_tokens(store, tokens, "selection")


def encode_snapshot(store: ObjectStore, spec: BlueprintSpec) -> Tokens:
    """Return the token ids of a snapshot's examples in all splits: cached, or newly encoded.

    Args:
        store: Where they are stored.
        spec: Names the snapshot, the prompt and the base model.

    Raises:
        InputError: The prompt cannot be rendered, or the base model has no chat template.
    """
    base, folder = fetch_model(store, BaseModelManifest, spec.base)
    encoder = open_encoder(folder, spec.task.chat_template_kwargs)
    tokenizer = digest_tokenizer(base.content.files, encoder)
    key = identify_tokens(spec, tokenizer, encoder.template, fingerprints.TOKENS.versions())
    return store.find_or_make(Tokens, key, lambda: _encode(store, spec, encoder, key))


def identify_tokens(spec: BlueprintSpec, tokenizer: str, template: str, packages: Mapping[str, str]) -> Tokens.Key:
    """Return the cache key of a snapshot's token ids.

    Args:
        spec: Names the snapshot and the prompt.
        tokenizer: Digest of the tokenizer, from `digest_tokenizer`.
        template: Digest of the chat template's text.
        packages: Package versions of the encoding interpreter, which may differ from this one's.
    """
    return Tokens.Key(
        snapshot=spec.snapshot,
        tokenizer=tokenizer,
        template=template,
        prompt=spec.task.prompt,
        output=spec.task.output,
        field_order=spec.task.field_order,
        chat_template_kwargs=spec.task.chat_template_kwargs,
        code=fingerprints.TOKENS.code(),
        packages=fingerprints.TOKENS.versions(packages),
    )


def digest_tokenizer(files: Sequence[ModelFile], encoder: TokenEncoder) -> str:
    """Return the digest of a tokenizer: of its files and its class, which may depend on the model's type."""
    kept = [(file.path, file.sha256) for file in list_tokenizer_files(files)]
    return digest_json([encoder.kind, kept])


def _encode(store: ObjectStore, spec: BlueprintSpec, encoder: TokenEncoder, key: Tokens.Key) -> Tokens:
    snapshot = store.load(Snapshot, spec.snapshot)
    prompt = store.load(Prompt, spec.task.prompt).content
    known = _find_known(store, snapshot, key)
    shards = [file.sha256 for file in snapshot.provenance.files]
    frames: list[str] = []
    counts: Counter[str] = Counter()
    for shard in shards:
        blob = known.get(shard)
        if blob is None:
            blob, skewed = _encode_shard(store, shard, encoder, prompt, spec)
            counts["skewed"] += skewed
        counts.update(_count(get_frame(store, blob, TOKENS)))
        frames.append(blob)
    if counts["skewed"]:
        _report_skew(counts["skewed"], counts["examples"])
    if counts["changed_answers"]:
        logger.warning(
            "in %d of %d examples the chat template does not write the answer as it is, so another text is learned "
            "than evaluation expects; change these answers, or use another chat template",
            counts["changed_answers"],
            counts["examples"],
        )
    logger.info("%d examples in %d shards, %d shards reused", counts["examples"], len(shards), len(known))
    result = Tokens.Result(
        frames=tuple(frames),
        examples=counts["examples"],
        tokens=counts["tokens"],
        learned_tokens=counts["learned_tokens"],
        changed_answers=counts["changed_answers"],
    )
    return Tokens(key=key, result=result)


def _find_known(store: ObjectStore, snapshot: Snapshot, key: Tokens.Key) -> dict[str, str]:
    """Return the frames of shards shared with the parent snapshot, if that was encoded in the same way."""
    parent = snapshot.provenance.parent
    found = parent and store.find(Tokens, key.model_copy(update={"snapshot": parent}))
    if not parent or not found:
        return {}
    previous = store.load_if_there(Snapshot, parent)
    if previous is None:
        return {}  # Reuse only saves time.
    before = [file.sha256 for file in previous.provenance.files]
    ours = {file.sha256 for file in snapshot.provenance.files}
    return {shard: blob for shard, blob in zip(before, found.result.frames, strict=True) if shard in ours}


def _encode_shard(
    store: ObjectStore, shard: str, encoder: TokenEncoder, prompt: PromptContent, spec: BlueprintSpec
) -> tuple[str, int]:
    """Return the blob of a shard's token ids, and how many examples are asked otherwise than they are trained on."""
    rows = get_frame(store, shard, EXAMPLES)
    frames = [pl.DataFrame(schema=TOKENS)]
    skewed = 0
    for part in rows.iter_slices(_AT_ONCE):
        encoded = encoder.encode(_render(part, prompt, spec))
        skewed += sum(not one.follows for one in encoded)
        ids = pl.Series("input_ids", [one.ids for one in encoded], TOKENS["input_ids"])
        learned = pl.Series("learned", [one.learned for one in encoded], TOKENS["learned"])
        intact = pl.Series("intact", [one.intact for one in encoded], pl.Boolean)
        frames.append(part.select("row_id", "split").with_columns(ids, learned, intact))
    return put_frame(store, pl.concat(frames), TOKENS), skewed


def _report_skew(skewed: int, examples: int) -> None:
    """Warn about examples with training-serving skew, or refuse them if no example is without it.

    Raises:
        InputError: Every example has it, so no parity check could pass.
    """
    skew = (
        f"in {skewed} of {examples} examples the chat template renders the generation prompt differently from a "
        f"finished answer, so training and inference prompts differ (training-serving skew)"
    )
    if skewed == examples:
        msg = f"{skew}, and nothing could be promoted; use a base model or a chat template without it"
        raise InputError(msg)
    logger.warning("%s", skew)


def _render(rows: pl.DataFrame, prompt: PromptContent, spec: BlueprintSpec) -> list[Conversation]:
    return [
        render_example(prompt, text, history, answer, spec.task.field_order, spec.task.output)
        for text, history, answer in rows.select("text", "history", "answer").iter_rows()
    ]


def _count(frame: pl.DataFrame) -> dict[str, int]:
    counts = {
        "tokens": pl.col("input_ids").list.len().sum(),
        "learned_tokens": pl.col("learned").list.sum().sum(),
        "changed_answers": (~pl.col("intact")).sum(),
    }
    return {"examples": len(frame), **frame.select(**counts).row(0, named=True)}


def _require_rows(rows: pl.DataFrame, spec: BlueprintSpec) -> pl.DataFrame:
    if rows.is_empty():
        msg = f"snapshot {short(spec.snapshot)} has no training rows; widen the recipe's window or its source"
        raise InputError(msg)
    return rows
