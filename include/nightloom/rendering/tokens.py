"""Tokens: an example's ids as the model reads them, their number, and whether they decode to the same text."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nightloom.artifacts.models import ModelFile
from nightloom.core.digests import digest_bytes
from nightloom.core.errors import InputError
from nightloom.rendering.chat import NO_KWARGS, Conversation, encode_texts, plain_conversations, render_chats

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
        intact: Whether the chat template writes the answer as it is. A template may trim it, or leave a part out.
    """

    ids: list[int]
    start: int
    follows: bool
    intact: bool

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
        template_kwargs: Arguments of the chat template.
    """

    def __init__(self, tokenizer: Any, context: int, template_kwargs: Mapping[str, Any] = NO_KWARGS) -> None:
        self._tokenizer = tokenizer
        self._template_kwargs = template_kwargs
        self.context = context
        self.kind = type(tokenizer).__name__
        self.lossless = find_lossless(tokenizer)

    @property
    def template(self) -> str:
        """The digest of the chat template's text."""
        return digest_bytes(self._tokenizer.get_chat_template().encode())

    def encode(self, conversations: Sequence[Conversation]) -> list[Encoded]:
        """Return the ids of conversations that end with the assistant's answer."""
        texts, whole = self._encode_whole(conversations)
        prompts = self._render([conversation[:-1] for conversation in conversations], asking=True)
        asked = encode_texts(self._tokenizer, prompts)
        answers = plain_conversations(self._tokenizer, [conversation[-1:] for conversation in conversations])
        # What is learned begins where both differ: a template may merge an answer's first token with the prompt's last.
        starts = [_common_length(*pair) for pair in zip(asked, whole, strict=True)]
        return [
            Encoded(ids, start, follows=start == len(before), intact=answer["content"] in text.removeprefix(prompt))
            for ids, start, before, (answer,), text, prompt in zip(
                whole, starts, asked, answers, texts, prompts, strict=True
            )
        ]

    def count(self, conversations: Sequence[Conversation]) -> list[TokenCount]:
        """Count the tokens of conversations that end with the assistant's answer."""
        if not conversations:
            return []
        texts, ids = self._encode_whole(conversations)
        back = self._tokenizer.batch_decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return [TokenCount(len(one), text == again) for one, text, again in zip(ids, texts, back, strict=True)]

    def count_answer(self, encoded: Encoded) -> int:
        """Return how many tokens a model has to write for an example's answer: up to the token that ends it."""
        answer = encoded.ids[encoded.start :]
        end = self._tokenizer.eos_token_id
        return len(answer) - answer[::-1].index(end) if end in answer else len(answer)

    def count_frame(self, conversation: Conversation) -> int:
        """Return the bytes that the template writes around messages: an upper bound for its tokens."""
        empty = [{**message, "content": ""} for message in conversation]
        return len(self._render([empty])[0].encode())

    def _encode_whole(self, conversations: Sequence[Conversation]) -> tuple[list[str], list[list[int]]]:
        texts = self._render(conversations)
        return texts, encode_texts(self._tokenizer, texts)

    def _render(self, conversations: Sequence[Conversation], *, asking: bool = False) -> list[str]:
        return render_chats(self._tokenizer, conversations, asking=asking, template_kwargs=self._template_kwargs)


def open_encoder(folder: Path, template_kwargs: Mapping[str, Any] = NO_KWARGS) -> TokenEncoder:
    """Load the tokenizer of a model's folder, to be used with these arguments of its chat template.

    Raises:
        InputError: The tokenizer cannot be read, has no chat template or no end token, or the context is unknown.
    """
    from nightloom.rendering.tokenizer import load_tokenizer

    return TokenEncoder(load_tokenizer(folder), find_context(load_config(folder)), template_kwargs)


def load_config(folder: Path) -> Any:
    """Load a model folder's configuration with the defaults and names of its architecture."""
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def find_context(config: Any) -> int:
    """Return the maximum number of tokens of a model.

    Args:
        config: Its configuration as transformers loads it: config.json may omit the number, or name it `n_positions`.

    Raises:
        InputError: The architecture has no such number, and the configuration does not add it.
    """
    context = getattr(config.get_text_config(), "max_position_embeddings", None)
    if not isinstance(context, int):
        msg = (
            f"config.json of a {config.model_type} model has no max_position_embeddings; add the maximum number of "
            "tokens of the model"
        )
        raise InputError(msg)
    return context


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
