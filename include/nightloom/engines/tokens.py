"""Tokens: how many an example takes as the model sees it, and whether they give its text back."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nightloom.engines.base import Conversation
from nightloom.engines.chat import plain_messages

Lossless = Literal["always", "composed", "unknown"]


@dataclass(frozen=True, slots=True)
class TokenCount:
    """Tokens of a whole example, and whether decoding them gives the very text that was encoded."""

    tokens: int
    round_trip: bool


class TokenCounter:
    """Counts by a model's tokenizer and chat template.

    Args:
        tokenizer: With a chat template.
        context: Tokens that the model can hold at once.
    """

    def __init__(self, tokenizer: Any, context: int) -> None:
        self._tokenizer = tokenizer
        self.context = context
        self.lossless = find_lossless(tokenizer)

    def count(self, conversations: Sequence[Conversation]) -> list[TokenCount]:
        """Count the tokens of conversations that end with the assistant's answer."""
        texts = [self._render(conversation) for conversation in conversations]
        if not texts:
            return []
        ids = self._tokenizer(texts, add_special_tokens=False)["input_ids"]
        back = self._tokenizer.batch_decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return [TokenCount(len(one), text == again) for one, text, again in zip(ids, texts, back, strict=True)]

    def count_frame(self, conversation: Conversation) -> int:
        """Give the bytes of what the template puts around messages without content: no more tokens than that."""
        return len(self._render([{**message, "content": ""} for message in conversation]).encode())

    def _render(self, conversation: Conversation) -> str:
        text: str = self._tokenizer.apply_chat_template(plain_messages(self._tokenizer, conversation), tokenize=False)
        return text


def open_counter(folder: Path) -> TokenCounter:
    """Load the tokenizer of a model's folder.

    Raises:
        InputError: It has no chat template, no end token, or no padding token.
    """
    from nightloom.engines.transformers import load_tokenizer

    tokenizer = load_tokenizer(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return TokenCounter(tokenizer, int(config.get("max_position_embeddings", tokenizer.model_max_length)))


def find_lossless(tokenizer: Any) -> Lossless:
    """Tell of which texts a tokenizer is known to give every byte back, with at most a token a byte.

    Byte-level BPE does, of all texts where it has no normaliser, and of composed ones (NFC) where it composes them.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return "unknown"
    parts = json.loads(backend.to_str())
    if (parts.get("decoder") or {}).get("type") != "ByteLevel" or "ByteLevel" not in json.dumps(parts["pre_tokenizer"]):
        return "unknown"
    if '"add_prefix_space": true' in json.dumps(parts["pre_tokenizer"]):
        return "unknown"
    normalizer = (parts.get("normalizer") or {}).get("type")
    if normalizer is None:
        return "always"
    return "composed" if normalizer == "NFC" else "unknown"
