"""Tokens: an example's ids as the model reads them, their number, and whether they decode to the same text."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nightloom.artifacts.models import ModelFile
from nightloom.core.digests import digest_bytes
from nightloom.rendering.chat import Conversation, encode_chats, encode_texts, render_chats

_MODEL_FILE = re.compile(r"(generation_)?config\.json|.*\.safetensors(\.index\.json)?")
"""Files of a model that do not belong to its tokenizer: weights and configuration."""

Lossless = Literal["always", "composed", "unknown"]


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids of a conversation that ends with the assistant's answer.

    Attributes:
        ids: All token ids.
        start: Position of the answer's first token, the first whose prediction is learned.
        follows: Whether the tokens before the answer equal the prompt at inference. If not: training-serving skew.
    """

    ids: list[int]
    start: int
    follows: bool

    @property
    def learned(self) -> list[bool]:
        """Whether the prediction of each token is learned."""
        return [position >= self.start for position in range(len(self.ids))]


@dataclass(frozen=True, slots=True)
class TokenCount:
    """The number of tokens of a whole example, and whether they decode to the same text."""

    tokens: int
    round_trip: bool


class TokenEncoder:
    """Encodes with a model's tokenizer and chat template.

    Args:
        tokenizer: A tokenizer with a chat template.
        context: Maximum number of tokens of the model.
    """

    def __init__(self, tokenizer: Any, context: int) -> None:
        self._tokenizer = tokenizer
        self.context = context
        self.kind = type(tokenizer).__name__
        self.lossless = find_lossless(tokenizer)

    @property
    def template(self) -> str:
        """The digest of the chat template's text."""
        return digest_bytes(self._tokenizer.get_chat_template().encode())

    def encode(self, conversations: Sequence[Conversation]) -> list[Encoded]:
        """Return the ids of conversations that end with the assistant's answer."""
        _, whole = self._encode_whole(conversations)
        asked = encode_chats(self._tokenizer, [conversation[:-1] for conversation in conversations])
        # What is learned begins where both differ: a template may merge an answer's first token with the prompt's last.
        starts = [_common_length(*pair) for pair in zip(asked, whole, strict=True)]
        return [
            Encoded(ids, start, follows=start == len(before))
            for ids, start, before in zip(whole, starts, asked, strict=True)
        ]

    def count(self, conversations: Sequence[Conversation]) -> list[TokenCount]:
        """Count the tokens of conversations that end with the assistant's answer."""
        if not conversations:
            return []
        texts, ids = self._encode_whole(conversations)
        back = self._tokenizer.batch_decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return [TokenCount(len(one), text == again) for one, text, again in zip(ids, texts, back, strict=True)]

    def count_frame(self, conversation: Conversation) -> int:
        """Return the bytes that the template writes around messages: an upper bound for its tokens."""
        empty = [{**message, "content": ""} for message in conversation]
        return len(render_chats(self._tokenizer, [empty], asking=False)[0].encode())

    def _encode_whole(self, conversations: Sequence[Conversation]) -> tuple[list[str], list[list[int]]]:
        texts = render_chats(self._tokenizer, conversations, asking=False)
        return texts, encode_texts(self._tokenizer, texts)


def open_encoder(folder: Path) -> TokenEncoder:
    """Load the tokenizer of a model's folder.

    Raises:
        InputError: The tokenizer cannot be read, or has no chat template or no end token.
    """
    from nightloom.rendering.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return TokenEncoder(tokenizer, int(config.get("max_position_embeddings", tokenizer.model_max_length)))


def list_tokenizer_files(files: Sequence[ModelFile]) -> list[ModelFile]:
    """Return the files of a model's tokenizer and chat template."""
    return [file for file in files if not _MODEL_FILE.fullmatch(file.path)]


def find_lossless(tokenizer: Any) -> Lossless:
    """Return for which texts a tokenizer is known to be lossless, with at most one token per byte.

    Byte-level BPE is lossless for all texts without a normaliser, and for composed texts (NFC) with an NFC normaliser.
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


def _common_length(first: Sequence[int], second: Sequence[int]) -> int:
    """Return the length of the common prefix of two sequences."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((position for position, (one, other) in pairs if one != other), min(len(first), len(second)))
