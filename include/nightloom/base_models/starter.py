"""The starter base model: a small Llama and its tokenizer, pretrained from scratch in about a minute and a half.

With the starter, a night runs on any machine without a model hub. `StarterSettings`, the code of this module and its
text, and the versions of the libraries determine it completely, so it is made once and cached by their digest.
"""

import logging
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nightloom.artifacts.fingerprints import STARTER
from nightloom.artifacts.folders import put_folder
from nightloom.artifacts.ids import BaseId
from nightloom.artifacts.models import BaseModelContent, BaseModelManifest, BaseModelProvenance, Starter
from nightloom.base_models.determinism import be_deterministic
from nightloom.base_models.quiet import disable_progress_bars
from nightloom.base_models.starter_text import WORDS_FILE, Writer
from nightloom.core.digests import digest_file, digest_json, short
from nightloom.core.durations import TimeLeft, describe_progress
from nightloom.core.manifests import Plain
from nightloom.core.scratch import scratch_folder
from nightloom.core.store import ObjectStore
from nightloom.processes.parent import SHARING_CORES
from nightloom.registry.store import open_store

logger = logging.getLogger(__name__)

CONTROL_TOKENS = ("<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
CHAT_TEMPLATE = """\
{%- for message in messages -%}
{{- '<|' + message.role + '|>' -}}
{%- if message.role == 'assistant' -%}
{%- generation -%}{{- message.content + '<|end|>' -}}{%- endgeneration -%}
{%- else -%}
{{- message.content + '<|end|>' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}
"""
"""Like ChatML, with one token for ChatML's three or four: a tiny model's context is short."""


class StarterSettings(Plain):
    """Size and training of the starter."""

    vocabulary: int = 3072
    hidden: int = 128
    layers: int = 4
    heads: int = 4
    inner: int = 384
    context: int = 1024
    steps: int = 560
    rows: int = 16
    row_tokens: int = 128
    learning_rate: float = 4e-3
    warmup_steps: int = 30
    seed: int = 20


def make_starter(
    store: ObjectStore, settings: StarterSettings | None = None, report: Callable[[str], None] = logger.info
) -> BaseId:
    """Return the starter's base id: the cached one, or a newly pretrained one.

    Args:
        store: Where base models are stored.
        settings: Size and training, or None for the default.
        report: Called with a line of progress every few seconds.
    """
    settings = settings or StarterSettings()
    key = identify_starter(settings, STARTER.versions())
    return store.find_or_make(Starter, key, lambda: _make_starter(store, settings, key, report)).result.base


def identify_starter(settings: StarterSettings, packages: Mapping[str, str]) -> Starter.Key:
    """Return the cache key of a starter; the packages are those of the interpreter that trains it."""
    return Starter.Key(
        settings=settings.model_dump(),
        code=digest_json([STARTER.code(), digest_file(WORDS_FILE)]),
        packages=STARTER.versions(packages),
    )


def run_starter() -> BaseId:
    """Make the starter in this process and return its base id: for a child process."""
    return make_starter(open_store())


def pretrain_starter(settings: StarterSettings, folder: Path, report: Callable[[str], None]) -> float:
    """Write the starter's tokenizer and weights into a folder, and return the last loss."""
    disable_progress_bars()
    be_deterministic(settings.seed)
    # Rows are filled to the last token, without padding; a few more chats than needed are written.
    chats = list(Writer(settings.seed).write_chats(settings.steps * settings.rows * settings.row_tokens // 24))
    tokenizer = _train_tokenizer(settings, chats)
    model = _make_model(settings, tokenizer)
    loss = _pretrain(settings, model, _fill_rows(settings, tokenizer, chats), report)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    return loss


def _make_starter(
    store: ObjectStore, settings: StarterSettings, key: Starter.Key, report: Callable[[str], None]
) -> Starter:
    started = time.monotonic()
    with scratch_folder() as folder:
        loss = pretrain_starter(settings, folder, report)
        files = put_folder(store, folder)
    origin = BaseModelProvenance(source="starter")
    base = store.publish(BaseModelManifest(content=BaseModelContent(files=files), provenance=origin))
    seconds = round(time.monotonic() - started, 1)
    report(f"starter {short(base.id)}: made in {seconds:.0f} s")
    return Starter(key=key, result=Starter.Result(base=base.id, seconds=seconds, loss=loss))


def _train_tokenizer(settings: StarterSettings, chats: list[list[dict[str, str]]]) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.train_from_iterator(
        (message["content"] for chat in chats[:20_000] for message in chat),
        trainers.BpeTrainer(
            vocab_size=settings.vocabulary,
            special_tokens=list(CONTROL_TOKENS),
            # All 256 bytes, so that any text can be encoded.
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token="<|pad|>",  # noqa: S106  # a text token, not an access token
        eos_token="<|end|>",  # noqa: S106
        additional_special_tokens=list(CONTROL_TOKENS[2:]),
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def _make_model(settings: StarterSettings, tokenizer: Any) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=settings.hidden,
            intermediate_size=settings.inner,
            num_hidden_layers=settings.layers,
            num_attention_heads=settings.heads,
            num_key_value_heads=settings.heads,
            max_position_embeddings=settings.context,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            attn_implementation="eager",
        )
    )


def _fill_rows(settings: StarterSettings, tokenizer: Any, chats: list[list[dict[str, str]]]) -> Iterator[Any]:
    """Yield batches of rows cut from one stream of chats, which is repeated as needed."""
    import torch

    texts = [tokenizer.apply_chat_template(chat, tokenize=False) for chat in chats]
    stream = [token for ids in tokenizer(texts, add_special_tokens=False)["input_ids"] for token in ids]
    size = settings.rows * settings.row_tokens
    batches = torch.tensor(stream[: len(stream) // size * size]).view(-1, settings.rows, settings.row_tokens)
    for step in range(settings.steps):
        yield batches[step % len(batches)]


def _pretrain(settings: StarterSettings, model: Any, batches: Iterator[Any], report: Callable[[str], None]) -> float:
    import torch

    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, betas=(0.9, 0.95), weight_decay=0.1)
    started = reported = time.monotonic()
    value, time_left = math.nan, TimeLeft(settings.steps)
    for step, batch in enumerate(batches, start=1):
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * _schedule(settings, step)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = model(input_ids=batch, labels=batch, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        value = loss.item()
        now = time.monotonic()
        left_s = time_left.estimate(step, now)
        if now - reported >= 5 or step == settings.steps:
            reported = now
            tokens = step * settings.rows * settings.row_tokens
            report(describe_progress(step, settings.steps, value, tokens, now - started, left_s))
    return round(value, 4)


def _schedule(settings: StarterSettings, step: int) -> float:
    """Return the factor of the learning rate at a step: a linear warm-up, then half a cosine."""
    if step <= settings.warmup_steps:
        return step / settings.warmup_steps
    done = (step - settings.warmup_steps) / max(1, settings.steps - settings.warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * done))


def main() -> int:
    """Make the starter and print its base id."""
    os.environ.update({**SHARING_CORES, **os.environ})  # torch reads these when it is imported.
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("nightloom").setLevel(logging.INFO)
    sys.stdout.write(make_starter(open_store()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
