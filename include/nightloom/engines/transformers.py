"""The transformers engine: greedy generation in static batches of similar length, on CPU or one GPU."""

import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Literal

from nightloom.core.errors import InputError
from nightloom.engines.base import Conversation, Generation
from nightloom.engines.chat import encode_chats, encode_texts, render_chats

logger = logging.getLogger(__name__)

_BATCH_TOKENS = 16_384
_BATCH_ROWS = 128
_FIXED_DAY = (
    "{%- macro strftime_now(form) -%}{{- form | replace('%d', '26') | replace('%m', '07') | replace('%b', 'Jul') "
    "| replace('%B', 'July') | replace('%Y', '2024') -}}{%- endmacro %}"
)
"""What stands in for today's date in a template that writes it, as Llama 3.2's does: the day that Llama 3.1's names.

With the real one, the same blueprint would give other ids a day later.
"""

_ANSWER = "nightloom"
"""What no template writes of its own accord."""

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "tekken.json")


class TransformersEngine:
    """A causal language model in this process.

    Args:
        model: A transformers model in evaluation mode.
        tokenizer: Its tokenizer, with a chat template and a padding token.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self._context: int = model.config.max_position_embeddings
        self._ends = list_ends(model, tokenizer)
        self._opening = _read_opening(tokenizer)

    def generate(self, conversations: Sequence[Conversation], max_new_tokens: int) -> list[Generation]:
        """Answer every conversation; one that leaves no room for an answer gets an empty, unfinished one."""
        prompts = encode_chats(self.tokenizer, conversations)
        outputs = self.complete(prompts, max_new_tokens)
        return [self._read(len(prompt), output) for prompt, output in zip(prompts, outputs, strict=True)]

    def complete(self, prompts: Sequence[Sequence[int]], max_new_tokens: int) -> list[list[int]]:
        """Give the tokens that follow each prompt, its end token included; none where no room is left for them."""
        outputs: list[list[int]] = [[] for _ in prompts]
        for batch in _batches(prompts, max_new_tokens, self._context - max_new_tokens):
            for index, output in zip(batch, self._run([prompts[i] for i in batch], max_new_tokens), strict=True):
                outputs[index] = output
        return outputs

    def _run(self, prompts: list[Sequence[int]], max_new_tokens: int) -> Iterator[list[int]]:
        import torch

        batch = self.tokenizer.pad({"input_ids": prompts}, padding_side="left", return_tensors="pt")
        batch = batch.to(self.model.device)
        settings = answer_greedily(self.model, self.tokenizer, max_new_tokens)
        with torch.inference_mode():
            sequences = self.model.generate(**batch, generation_config=settings)
        for output in sequences[:, batch["input_ids"].shape[1] :].tolist():
            yield output[: next((at for at, token in enumerate(output, start=1) if token in self._ends), None)]

    def _read(self, prompt_tokens: int, output: Sequence[int]) -> Generation:
        text = self.tokenizer.decode(output, skip_special_tokens=True).removeprefix(self._opening)
        return Generation(text, prompt_tokens, len(output), finished=bool(output) and output[-1] in self._ends)


def answer_greedily(model: Any, tokenizer: Any, max_new_tokens: int) -> Any:
    """Give the settings by which a model generates: always the likeliest token, up to one that ends an answer."""
    from transformers import GenerationConfig

    return GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=False,
        eos_token_id=sorted(list_ends(model, tokenizer)),
        pad_token_id=tokenizer.pad_token_id,
    )


def load_tokenizer(folder: Path) -> Any:
    """Load a model folder's tokenizer.

    Its end token is the one that the chat template ends an answer with, which may be another than the tokenizer
    names (Gemma's). Where it has no token for padding (Llama 3), its end token serves: what is learned is told by a
    mask, and never by the padding. A template that writes today's date is told a fixed one.

    Raises:
        InputError: It cannot be read, or has no chat template or no end token.
    """
    from transformers import AutoTokenizer

    if not any((folder / name).is_file() for name in _TOKENIZER_FILES):
        msg = f"{folder} has no tokenizer; it needs a tokenizer.json, as `tokenizer.save_pretrained` writes it"
        raise InputError(msg)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # what a damaged file or a missing library ends in is of any class
        msg = f"the tokenizer in {folder} cannot be read ({first_line(error)}); take a sound copy of the model"
        raise InputError(msg) from error
    if tokenizer.chat_template is None:
        msg = (
            f"the tokenizer in {folder} has no chat_template; take the model's chat form (often named Instruct, Chat "
            f"or it), or put its chat_template.jinja into a copy of the folder"
        )
        raise InputError(msg)
    if "strftime_now" in tokenizer.get_chat_template():
        tokenizer.chat_template = _FIXED_DAY + tokenizer.get_chat_template()
    _settle_end(tokenizer, folder)
    if tokenizer.eos_token is None:
        msg = f"the tokenizer in {folder} has no eos_token; name in its tokenizer_config.json what ends an answer"
        raise InputError(msg)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
        _tell_once(f"the tokenizer has no pad_token; its end token {tokenizer.eos_token} fills up instead")
    return tokenizer


def load_model(folder: Path, dtype: str = "auto", attention: str | None = None, **more: Any) -> Any:
    """Load a model folder's weights, from safetensors alone, onto the GPU if there is one.

    Args:
        folder: The model's folder.
        dtype: Type of the weights in memory; `auto`: as they are stored.
        attention: The implementation of attention by transformers' name; none: its default.
        more: What else `from_pretrained` takes; with a `device_map` the model stays where that puts it.

    Raises:
        InputError: Weights are missing, or of another shape than config.json says.
    """
    import torch

    model = _read_model(folder, dtype=dtype, attn_implementation=attention, **more)
    return model if "device_map" in more else model.to("cuda" if torch.cuda.is_available() else "cpu")


def check_model(folder: Path) -> None:
    """Check that a folder's weights are whole and those of its architecture, without reading them.

    Raises:
        InputError: They are not.
    """
    load_model(folder, device_map="meta")


def _read_model(folder: Path, **how: Any) -> Any:
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    model, found = AutoModelForCausalLM.from_pretrained(
        folder,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # told below, in a sentence
        **how,
    )
    # transformers makes up what is missing.
    wrong = sorted([*found["missing_keys"], *(key for key, *_ in found["mismatched_keys"])])
    if wrong:
        msg = (
            f"{len(wrong)} weights in {folder} are missing or of another shape than its config.json says, such as "
            f"{wrong[0]}; take a whole copy of the model"
        )
        raise InputError(msg)
    return model


def open_transformers(base: Path, adapter: Path | None, method: Literal["lora", "full"] | None) -> TransformersEngine:
    """Load a base model, alone, with a LoRA adapter merged into it, or replaced by fully tuned weights."""
    tokenizer = load_tokenizer(base)
    model = load_model(adapter if adapter is not None and method == "full" else base)
    if adapter is not None and method == "lora":
        model = merge_adapter(model, adapter)
    return TransformersEngine(model.eval(), tokenizer)


@contextmanager
def quiet_about_old_names() -> Iterator[None]:
    """Keep out of the log that peft and TRL call transformers by names that go away in its version 6."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* will be removed in v6", category=FutureWarning)
        yield


def attach_adapter(model: Any, folder: Path) -> Any:
    """Put a LoRA adapter beside a model's weights, which stay as they are.

    Raises:
        InputError: Parts of it fit no module of this model.
    """
    from peft import PeftConfig, PeftModel

    try:
        with quiet_about_old_names():
            tuned = PeftModel(model, PeftConfig.from_pretrained(folder))
            result = tuned.load_adapter(folder, "default")
    except (RuntimeError, ValueError) as error:
        msg = f"the adapter in {folder} does not fit its base model: {str(error).strip().splitlines()[0]}"
        raise InputError(msg) from error
    if result.missing_keys or result.unexpected_keys:
        keys = [*result.missing_keys, *result.unexpected_keys]
        msg = f"the adapter in {folder} does not fit its base model: {len(keys)} weights without a place, {keys[0]}"
        raise InputError(msg)
    return tuned


def merge_adapter(model: Any, folder: Path) -> Any:
    """Merge a LoRA adapter into a model.

    Raises:
        InputError: Parts of it fit no module of this model, or it changes nothing.
    """
    tuned = attach_adapter(model, folder)
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


def first_line(error: BaseException) -> str:
    """Give an error's class and the first line of what it says."""
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no reason given'}"


@cache
def _tell_once(line: str) -> None:
    logger.info("%s", line)


def _settle_end(tokenizer: Any, folder: Path) -> None:
    """Make the tokenizer's end token the one that ends an answer, where the model's folder names several."""
    named = {token for name in ("generation_config.json", "config.json") for token in _read_ends(folder / name)}
    chat = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    try:
        (ids,) = encode_texts(tokenizer, render_chats(tokenizer, [chat], asking=False))
    except Exception:  # a template may raise anything; whoever renders the examples hears of it
        return
    ends = [token for token in ids if token in named]
    if tokenizer.eos_token_id not in ids and ends:
        tokenizer.eos_token = tokenizer.convert_ids_to_tokens(ends[-1])


def _read_opening(tokenizer: Any) -> str:
    """Give what the template writes before an answer though it does not ask for it, as Qwen's empty thought."""
    question, answer = {"role": "user", "content": "a"}, {"role": "assistant", "content": _ANSWER}
    (whole,) = render_chats(tokenizer, [[question, answer]], asking=False)
    (asked,) = render_chats(tokenizer, [[question]], asking=True)
    opening = whole.removeprefix(asked).partition(_ANSWER)[0] if whole.startswith(asked) else ""
    plain: str = tokenizer.decode(encode_texts(tokenizer, [opening])[0], skip_special_tokens=True)
    return plain


def _read_ends(path: Path) -> list[int]:
    document = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    named = document.get("eos_token_id")
    return [named] if isinstance(named, int) else named or []


def list_ends(model: Any, tokenizer: Any) -> set[int]:
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
