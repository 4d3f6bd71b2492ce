"""Base check: whether a folder's model can be trained and asked, without loading its weights."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from nightloom.artifacts.folders import list_model_files
from nightloom.artifacts.model_files import (
    ADAPTER_CONFIG,
    GENERATION_CONFIG,
    MODEL_CONFIG,
    MODEL_WEIGHTS,
    WEIGHTS_INDEX,
)
from nightloom.artifacts.models import TaskSpec
from nightloom.artifacts.prompts import Prompt
from nightloom.base_models.loading import check_model
from nightloom.core.errors import InputError, first_line
from nightloom.prompts.templates import render_example
from nightloom.rendering.chat import encode_texts, render_chats
from nightloom.rendering.item_tokens import count_tokens
from nightloom.rendering.task_check import check_task
from nightloom.rendering.tokenizer import load_tokenizer
from nightloom.rendering.tokens import find_context, load_config, open_encoder

_CHAT = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]


def check_kind(folder: Path) -> None:
    """Check that configuration and tokenizer are those of a causal language model with a chat template.

    Raises:
        InputError: They are not.
    """
    list_model_files(folder)
    config = _load_config(folder)
    find_context(config)
    _check_ends(folder)
    try:
        tokenizer = load_tokenizer(folder)
    except InputError:
        raise
    except Exception as error:  # Of several chat templates, none may be the default.
        msg = f"the tokenizer in {folder} cannot be used ({first_line(error)}); correct tokenizer_config.json"
        raise InputError(msg) from error
    _check_chat(tokenizer, config.vocab_size, folder)


def check_weights(folder: Path) -> None:
    """Check by the files' headers that the weights are complete and fit the architecture.

    Raises:
        InputError: They do not.
    """
    from safetensors import SafetensorError, safe_open

    for name in list_weights(folder):
        path = folder / name
        if not path.is_file():
            msg = f"{name}, which {WEIGHTS_INDEX} names, is not in {folder}; the copy is incomplete: complete it"
            raise InputError(msg)
        try:
            with safe_open(path, framework="pt"):
                pass
        except SafetensorError as error:
            msg = f"{name} in {folder} is truncated or damaged ({first_line(error)}); copy it again"
            raise InputError(msg) from error
    try:
        check_model(folder)
    except InputError:
        raise
    except Exception as error:  # transformers raises errors of any class.
        is_quantized = "quantization_config" in _read(folder / MODEL_CONFIG)
        remedy = "use its unquantized copy, or install what reads its format" if is_quantized else "use an intact copy"
        msg = f"transformers cannot load the model in {folder} ({first_line(error)}); {remedy}"
        raise InputError(msg) from error


def try_task(folder: str, base: str, prompt: dict[str, Any], task: dict[str, Any], rows: str) -> dict[str, Any]:
    """Check a base model's folder and a task that no night has used yet, and count the tokens of rows: for a child.

    Args:
        folder: Folder of the base model.
        base: Its name in the recipe, for messages.
        prompt: A Prompt in JSON.
        task: A TaskSpec in JSON.
        rows: File with eval set, text, history and answer of rows.

    Returns:
        An ItemTokens.Result in JSON for each eval set.

    Raises:
        InputError: The model cannot be trained, or not be asked with this task.
    """
    wanted, model = TaskSpec.model_validate(task), Path(folder)
    version = Prompt.model_validate(prompt)
    check_kind(model)
    check_task(model, version, wanted, base)
    encoder, counted = open_encoder(model, wanted.chat_template_kwargs), {}
    for (name,), items in pl.read_parquet(rows).group_by("evalset", maintain_order=True):
        chats = [
            render_example(version.content, text, history, answer, wanted.field_order, wanted.output)
            for text, history, answer in items.select("text", "history", "answer").iter_rows()
        ]
        counted[str(name)] = count_tokens(encoder, chats).model_dump(mode="json")
    return counted


def list_weights(folder: Path) -> list[str]:
    """Return the names of the weights' files, as transformers looks for them; some may be missing.

    Raises:
        InputError: There are no weights, or their index cannot be read.
    """
    if (folder / MODEL_WEIGHTS).is_file():
        return [MODEL_WEIGHTS]
    if (folder / WEIGHTS_INDEX).is_file():
        shards = _read(folder / WEIGHTS_INDEX).get("weight_map")
        if not isinstance(shards, dict) or not shards or any("/" in str(name) for name in shards.values()):
            msg = f"{WEIGHTS_INDEX} in {folder} names no weights; use an intact copy of the model"
            raise InputError(msg)
        return sorted({str(name) for name in shards.values()})
    msg = (
        f"{folder} has neither {MODEL_WEIGHTS} nor {WEIGHTS_INDEX}; load the model with transformers and write it "
        "again with `save_pretrained`"
    )
    raise InputError(msg)


def _load_config(folder: Path) -> Any:
    from transformers import CONFIG_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING, __version__

    if (folder / ADAPTER_CONFIG).is_file():
        msg = f"{folder} holds an adapter; set `train.base` to the base model of this adapter"
        raise InputError(msg)
    if not (folder / MODEL_CONFIG).is_file():
        msg = f"{folder} has no config.json; the folder must hold a complete model, as `save_pretrained` writes it"
        raise InputError(msg)
    document = _read(folder / MODEL_CONFIG)
    kind, classes = document.get("model_type"), document.get("architectures") or []
    if kind not in CONFIG_MAPPING:
        msg = (
            f"transformers {__version__} does not know the model_type {kind!r} of config.json in {folder}; "
            "use a model of a known architecture"
        )
        raise InputError(msg)
    try:
        config = load_config(folder)
    except Exception as error:  # transformers raises errors of any class.
        msg = (
            f"transformers {__version__} cannot read config.json in {folder} ({first_line(error)}); use an intact copy "
            f"or a version that knows its settings"
        )
        raise InputError(msg) from error
    known = MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), ())
    names = {one.__name__ for one in (known if isinstance(known, tuple) else (known,))}
    if not names or (classes and not names & set(classes)) or config.get_text_config() is not config:
        msg = (
            f"{folder} holds {', '.join(classes) or kind}, which is not a text-only causal language model; "
            "use one such as LlamaForCausalLM, Qwen3ForCausalLM or Gemma3ForCausalLM"
        )
        raise InputError(msg)
    return config


def _check_ends(folder: Path) -> None:
    """Check the end tokens of a model, which a library would only refuse when it generates."""
    for name in (MODEL_CONFIG, GENERATION_CONFIG):
        named = _read(folder / name).get("eos_token_id") if (folder / name).is_file() else None
        ends = named if isinstance(named, list) else [] if named is None else [named]
        if wrong := [one for one in ends if type(one) is not int]:
            msg = f"eos_token_id in {name} of {folder} is {str(wrong[0])[:40]!r}; write the number of the token"
            raise InputError(msg)


def _check_chat(tokenizer: Any, embeddings: int, folder: Path) -> None:
    """Check that the template renders a short chat, and that the model has an embedding for every token in use."""
    try:
        ids = encode_texts(tokenizer, render_chats(tokenizer, [_CHAT], asking=False))[0]
    except Exception as error:  # a template may raise anything
        msg = f"the chat template in {folder} cannot render a chat ({first_line(error)}); fix the template"
        raise InputError(msg) from error
    if tokenizer.eos_token_id not in ids:
        msg = (
            f"the chat template in {folder} does not end an answer with the end token "
            f"{tokenizer.eos_token}, so the model would never learn to stop; set eos_token in "
            "tokenizer_config.json to the token that ends an answer"
        )
        raise InputError(msg)
    highest = max(*ids, tokenizer.pad_token_id, tokenizer.eos_token_id, *_list_reachable(tokenizer))
    if highest >= embeddings:
        msg = (
            f"the tokenizer in {folder} has a token {highest}, and the model only {embeddings} embeddings; "
            "use the tokenizer that belongs to the model, or resize the model's embeddings"
        )
        raise InputError(msg)


def _list_reachable(tokenizer: Any) -> list[int]:
    """Return the tokens that a text may have: all but control tokens, which are broken up in texts.

    Gemma 3 has a control token for images without an embedding in its text models.
    """
    control = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    return [number for number in tokenizer.get_vocab().values() if number not in control]


def _read(path: Path) -> dict[str, Any]:
    """Return a JSON object; `list_model_files` has checked that the file is JSON."""
    document = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(document, dict):
        msg = f"{path} is not a JSON object; use an intact copy of the model"
        raise InputError(msg)
    return document
