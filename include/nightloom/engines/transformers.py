"""The transformers engine: greedy generation in static batches of similar length, on CPU or one GPU."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from nightloom.core.errors import InputError
from nightloom.engines.base import Conversation, Generation
from nightloom.engines.chat import encode_chats

_BATCH_TOKENS = 16_384
_BATCH_ROWS = 128


class TransformersEngine:
    """A causal language model in this process.

    Args:
        model: A transformers model in evaluation mode.
        tokenizer: Its tokenizer, with a chat template and a padding token.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._context: int = model.config.max_position_embeddings
        self._ends = _list_ends(model, tokenizer)

    def generate(self, conversations: Sequence[Conversation], max_new_tokens: int) -> list[Generation]:
        """Answer every conversation; one that leaves no room for an answer gets an empty, unfinished one."""
        prompts = encode_chats(self._tokenizer, conversations)
        answers = [Generation("", len(prompt), 0, finished=False) for prompt in prompts]
        room = self._context - max_new_tokens
        for batch in _batches(prompts, max_new_tokens, room):
            for index, generation in zip(batch, self._run([prompts[i] for i in batch], max_new_tokens), strict=True):
                answers[index] = generation
        return answers

    def _run(self, prompts: list[list[int]], max_new_tokens: int) -> Iterator[Generation]:
        import torch
        from transformers import GenerationConfig

        tokenizer = self._tokenizer
        batch = tokenizer.pad({"input_ids": prompts}, padding_side="left", return_tensors="pt").to(self._model.device)
        settings = GenerationConfig(
            max_new_tokens=max_new_tokens,
            do_sample=False,
            eos_token_id=sorted(self._ends),
            pad_token_id=tokenizer.pad_token_id,
        )
        with torch.inference_mode():
            sequences = self._model.generate(**batch, generation_config=settings)
        for prompt, output in zip(prompts, sequences[:, batch["input_ids"].shape[1] :].tolist(), strict=True):
            length = next((at for at, token in enumerate(output, start=1) if token in self._ends), None)
            text = tokenizer.decode(output[:length], skip_special_tokens=True)
            yield Generation(text, len(prompt), length or len(output), finished=length is not None)


def load_tokenizer(folder: Path) -> Any:
    """Load a model folder's tokenizer.

    Raises:
        InputError: It has no chat template, no end token, or no padding token.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    for name in ("chat_template", "eos_token", "pad_token"):
        if getattr(tokenizer, name) is None:
            msg = f"the tokenizer in {folder} has no {name}; use a chat model's folder, or add it to its tokenizer"
            raise InputError(msg)
    return tokenizer


def load_model(folder: Path, dtype: str = "auto", attention: str | None = None) -> Any:
    """Load a model folder's weights, from safetensors alone, onto the GPU if there is one.

    Args:
        folder: The model's folder.
        dtype: Type of the weights in memory; `auto`: as they are stored.
        attention: The implementation of attention by transformers' name; none: its default.
    """
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=dtype,
        attn_implementation=attention,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
    )
    return model.to("cuda" if torch.cuda.is_available() else "cpu")


def open_transformers(base: Path, adapter: Path | None, method: Literal["lora", "full"] | None) -> TransformersEngine:
    """Load a base model, alone, with a LoRA adapter merged into it, or replaced by fully tuned weights."""
    tokenizer = load_tokenizer(base)
    model = load_model(adapter if adapter is not None and method == "full" else base)
    if adapter is not None and method == "lora":
        model = _merge_adapter(model, adapter)
    return TransformersEngine(model.eval(), tokenizer)


@contextmanager
def quiet_about_old_names() -> Iterator[None]:
    """Keep out of the log that peft and TRL call transformers by names that go away in its version 6."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* will be removed in v6", category=FutureWarning)
        yield


def _merge_adapter(model: Any, folder: Path) -> Any:
    """Merge a LoRA adapter into a model.

    Raises:
        InputError: Parts of it fit no module of this model, or it changes nothing.
    """
    from peft import PeftConfig, PeftModel

    with quiet_about_old_names():
        tuned = PeftModel(model, PeftConfig.from_pretrained(folder))
        result = tuned.load_adapter(folder, "default")
    if result.missing_keys or result.unexpected_keys:
        keys = [*result.missing_keys, *result.unexpected_keys]
        msg = f"the adapter in {folder} does not fit its base model: {len(keys)} weights without a place, {keys[0]}"
        raise InputError(msg)
    if not _changes_something(tuned):
        msg = f"the adapter in {folder} changes nothing in its base model; train it longer, or faster"
        raise InputError(msg)
    return tuned.merge_and_unload()


def _changes_something(tuned: Any) -> bool:
    """Tell whether an adapter moves any weight: its B matrices start at zero, its copied modules as the originals."""
    weights = dict(tuned.named_parameters())
    for name, weight in weights.items():
        if ("lora_B" in name or "lora_embedding_B" in name) and weight.any():
            return True
        original = weights.get(name.replace("modules_to_save.default", "original_module"))
        if "modules_to_save" in name and original is not None and not original.equal(weight):
            return True
    return False


def _list_ends(model: Any, tokenizer: Any) -> set[int]:
    """Give every token that ends an answer: the tokenizer's, and those that the model's folder names."""
    named = model.generation_config.eos_token_id
    return {tokenizer.eos_token_id, *([named] if isinstance(named, int) else named or [])}


def _batches(prompts: Sequence[Sequence[int]], max_new_tokens: int, room: int) -> Iterator[list[int]]:
    """Give the indexes of prompts with at most `room` tokens, longest first, in batches of bounded size."""
    order = sorted((i for i, p in enumerate(prompts) if len(p) <= room), key=lambda i: (-len(prompts[i]), i))
    start = 0
    while start < len(order):
        longest = len(prompts[order[start]]) + max_new_tokens
        rows = max(1, min(_BATCH_ROWS, _BATCH_TOKENS // longest))
        yield order[start : start + rows]
        start += rows
