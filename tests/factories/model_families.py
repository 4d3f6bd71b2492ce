"""Model folders with random weights, of common architectures, each with its family's tokenizer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, Gemma2Config, Gemma3TextConfig, LlamaConfig, Qwen3Config

from tests.factories.chat_tokenizers import make_tokenizer

_SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 128,
    "initializer_range": 0.2,
}
_CONFIGS: dict[str, Callable[..., Any]] = {
    "llama": LlamaConfig,
    # Embeddings tied, as the small ones of both families have them; every head normed, or scores capped.
    "qwen3": lambda **given: Qwen3Config(tie_word_embeddings=True, **given),
    "gemma2": lambda **given: Gemma2Config(query_pre_attn_scalar=8, sliding_window=16, **given),
    "gemma3": lambda **given: Gemma3TextConfig(query_pre_attn_scalar=8, sliding_window=16, **given),
}
FAMILIES = tuple(_CONFIGS)


def write_model(folder: Path, family: str) -> Path:
    """Write a model folder as published: Llama has no padding token, Gemma two end tokens."""
    tokenizer = make_tokenizer({"llama": "llama", "qwen3": "qwen"}.get(family, "gemma3"))
    ends = tokenizer.eos_token_id
    if family == "llama":
        tokenizer.pad_token = None
    if family.startswith("gemma"):
        tokenizer.eos_token = "<eos>"
        ends = [tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<end_of_turn>")]
    torch.manual_seed(7)
    config = _CONFIGS[family](vocab_size=len(tokenizer), eos_token_id=ends, **_SIZES)
    model = AutoModelForCausalLM.from_config(config)
    model.generation_config.eos_token_id = ends
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
