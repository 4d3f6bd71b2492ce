"""Tokenizers: load a model folder's tokenizer so that the same blueprint always gives the same ids."""

import json
import logging
from functools import cache
from pathlib import Path
from typing import Any

from nightloom.core.errors import InputError, first_line
from nightloom.rendering.chat import encode_texts, render_chats

logger = logging.getLogger(__name__)

_FIXED_DAY = (
    "{%- macro strftime_now(form) -%}{{- form | replace('%d', '26') | replace('%m', '07') | replace('%b', 'Jul') "
    "| replace('%B', 'July') | replace('%Y', '2024') -}}{%- endmacro %}"
)
"""Replaces today's date in templates that write it, such as Llama 3.2's, by the date in Llama 3.1's template.

With the real date, the same blueprint would give different ids a day later.
"""

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "tekken.json")


def load_tokenizer(folder: Path) -> Any:
    """Load a model folder's tokenizer.

    The end token becomes the one that the chat template ends an answer with, which may differ from the tokenizer's
    (Gemma). Without a padding token (Llama 3) the end token serves for padding: a label mask decides what is learned,
    never the padding. A template that writes today's date gets a fixed one.

    Raises:
        InputError: The tokenizer cannot be read, or has no chat template or no end token.
    """
    from transformers import AutoTokenizer

    if not any((folder / name).is_file() for name in _TOKENIZER_FILES):
        msg = f"{folder} has no tokenizer; add a tokenizer.json, as `tokenizer.save_pretrained` writes it"
        raise InputError(msg)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # A damaged file or a missing library raises errors of any class.
        msg = f"the tokenizer in {folder} cannot be read ({first_line(error)}); use an intact copy of the model"
        raise InputError(msg) from error
    if tokenizer.chat_template is None:
        msg = (
            f"the tokenizer in {folder} has no chat_template; use the model's chat version (often named Instruct, Chat "
            f"or it), or put its chat_template.jinja into a copy of the folder"
        )
        raise InputError(msg)
    if "strftime_now" in tokenizer.get_chat_template():
        tokenizer.chat_template = _FIXED_DAY + tokenizer.get_chat_template()
    _fix_end_token(tokenizer, folder)
    if tokenizer.eos_token is None:
        msg = f"the tokenizer in {folder} has no eos_token; name the token that ends an answer in tokenizer_config.json"
        raise InputError(msg)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
        _log_once(f"the tokenizer has no pad_token; padding with its end token {tokenizer.eos_token}")
    return tokenizer


def list_ends(model: Any, tokenizer: Any) -> set[int]:
    """Return every token that ends an answer: the tokenizer's and those of the model's generation config."""
    named = model.generation_config.eos_token_id
    return {tokenizer.eos_token_id, *([named] if isinstance(named, int) else named or [])}


@cache
def _log_once(line: str) -> None:
    logger.info("%s", line)


def _fix_end_token(tokenizer: Any, folder: Path) -> None:
    """Set the tokenizer's end token to the one that ends an answer, if the model's folder names several."""
    named = {token for name in ("generation_config.json", "config.json") for token in _read_ends(folder / name)}
    chat = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    try:
        (ids,) = encode_texts(tokenizer, render_chats(tokenizer, [chat], asking=False))
    except Exception:  # A template may raise anything; rendering the examples reports the error.
        return
    ends = [token for token in ids if token in named]
    if tokenizer.eos_token_id not in ids and ends:
        tokenizer.eos_token = tokenizer.convert_ids_to_tokens(ends[-1])


def _read_ends(path: Path) -> list[int]:
    document = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    named = document.get("eos_token_id")
    return [named] if isinstance(named, int) else named or []
