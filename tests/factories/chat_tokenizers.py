"""Tokenizers of a few hundred tokens, with chat templates as the well-known families of models have them."""

import string
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

LLAMA = """\
{{- bos_token -}}
{%- for message in messages -%}
{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' -}}{%- endif -%}
"""
"""A token before everything, which the tokenizer too would add to a plain text."""

QWEN = """\
{%- for message in messages -%}
{%- set content = message.content -%}
{%- if message.role == 'assistant' -%}
{%- set content = content.split('</think>')[-1].lstrip('\n') -%}
{%- if loop.last -%}{%- set content = '<think>\n\n</think>\n\n' + content -%}{%- endif -%}
{%- endif -%}
{{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}
"""
"""The last answer is written with an empty thought before it, those before it without."""

SILENT = QWEN.replace("'<think>\n\n</think>\n\n' + content", "content").replace(
    "{{- '<|im_start|>assistant\n' -}}", "{{- '<|im_start|>assistant\n<think>\n\n</think>\n\n' -}}"
)
"""The other way round: what asks for an answer ends in an empty thought, which the answer is written without."""

GEMMA = """\
{{- bos_token -}}
{%- set first = messages[0].content + '\n\n' if messages[0].role == 'system' else '' -%}
{%- for message in (messages[1:] if first else messages) -%}
{{- '<start_of_turn>' + ('model' if message.role == 'assistant' else message.role) + '\n' -}}
{{- (first if loop.first else '') + message.content | trim + '<end_of_turn>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<start_of_turn>model\n' -}}{%- endif -%}
"""
"""The system message is part of the first user message, the assistant has another name, a newline follows the end."""

_TEXTS = [
    "the invoice is wrong\n\n",
    "my password is lost \n\n\n",
    '{"team": "billing"}',
    "user assistant system\n",
] * 9


def make_tokenizer(family: str) -> Any:
    """Return a tokenizer as a family of models has it: `llama`, `qwen`, `gemma3`, or one of those that lead astray.

    Of these, `silent` has another template; `merging` and `gemma` join the line before an answer with the answer.
    """
    if family in ("llama", "merging"):
        control = ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|pad|>"]
        raw = _make_bytes(control, apart=family == "llama")
        raw.post_processor = processors.TemplateProcessing(
            single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", 0)]
        )
        return _wrap(raw, LLAMA, control, eos="<|eot_id|>", pad="<|pad|>", bos="<|begin_of_text|>")
    if family in ("gemma", "gemma3"):
        control = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
        return _wrap(
            _make_pieces(control, apart=family == "gemma3"),
            GEMMA,
            control,
            eos="<end_of_turn>",
            pad="<pad>",
            bos="<bos>",
        )
    control = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"]
    raw = _make_bytes(control, apart=True)
    raw.add_tokens(["<think>", "</think>"])
    template = QWEN if family == "qwen" else SILENT
    return _wrap(raw, template, control, eos="<|im_end|>", pad="<|endoftext|>")


def _make_bytes(control: list[str], *, apart: bool) -> Tokenizer:
    """Byte-level BPE, with ends of lines apart from what follows them, as newer models have it, or as GPT-2 had it."""
    words = pre_tokenizers.Split(Regex(r" ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s*[\r\n]+|\s+(?!\S)|\s+"), "isolated")
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if apart:
        raw.pre_tokenizer = pre_tokenizers.Sequence(
            [words, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
        )
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=330, special_tokens=control, initial_alphabet=alphabet, show_progress=False
    )
    raw.train_from_iterator(_TEXTS, trainer)
    return raw


def _make_pieces(control: list[str], *, apart: bool) -> Tokenizer:
    """BPE over characters as SentencePiece has it: a bar for each space, bytes for what it does not know."""
    merges = [("\n", "\n"), ("\u2581", "t"), ("t", "h"), ("\u2581t", "h"), ("i", "n")]
    if not apart:
        merges.append(("\n", "{"))
    pieces = [*string.ascii_letters, *'0123456789{}":,. \u2581', "\n", *("".join(merge) for merge in merges)]
    tokens = [*control, *(f"<0x{byte:02X}>" for byte in range(256)), *pieces]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    raw = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    raw.normalizer = normalizers.Replace(" ", "\u2581")
    raw.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    return raw


def _wrap(raw: Tokenizer, template: str, control: list[str], *, eos: str, pad: str, bos: str | None = None) -> Any:
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        eos_token=eos,
        pad_token=pad,
        bos_token=bos,
        additional_special_tokens=control,
        chat_template=template,
        clean_up_tokenization_spaces=False,
    )
