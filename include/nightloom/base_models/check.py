"""The base check: whether a folder's model can be trained and asked, seen at once, without loading its weights."""

import json
from pathlib import Path
from typing import Any

from nightloom.artifacts.folders import list_model_files
from nightloom.artifacts.model_files import ADAPTER_CONFIG, MODEL_CONFIG, MODEL_WEIGHTS, WEIGHTS_INDEX
from nightloom.base_models.loading import check_model
from nightloom.core.errors import InputError, first_line
from nightloom.rendering.chat import encode_texts, render_chats
from nightloom.rendering.tokenizer import load_tokenizer

_CHAT = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]


def check_kind(folder: Path) -> None:
    """Check configuration and tokenizer: that it is a language model with a chat template.

    Raises:
        InputError: It is not.
    """
    list_model_files(folder)
    config = _load_config(folder)
    context = getattr(config, "max_position_embeddings", None)
    if not isinstance(context, int):
        msg = f"config.json in {folder} names no max_position_embeddings; write down how many tokens the model holds"
        raise InputError(msg)
    _check_chat(load_tokenizer(folder), config.vocab_size, folder)


def check_weights(folder: Path) -> None:
    """Check that the weights are there, whole, and those of the architecture, by what stands at the files' heads.

    Raises:
        InputError: They are not.
    """
    from safetensors import SafetensorError, safe_open

    for name in list_weights(folder):
        path = folder / name
        if not path.is_file():
            msg = f"{name}, which {WEIGHTS_INDEX} names, is not in {folder}; the copy stopped half-way: complete it"
            raise InputError(msg)
        try:
            with safe_open(path, framework="pt"):
                pass
        except SafetensorError as error:
            msg = f"{name} in {folder} is cut off or damaged ({first_line(error)}); copy it again"
            raise InputError(msg) from error
    try:
        check_model(folder)
    except InputError:
        raise
    except Exception as error:  # what transformers ends in is of any class
        msg = f"transformers cannot load the model in {folder} ({first_line(error)}); take a sound copy of it"
        raise InputError(msg) from error


def list_weights(folder: Path) -> list[str]:
    """Return the names of the files with the weights, as transformers looks for them; some may not be there.

    Raises:
        InputError: There are no weights, or what names them cannot be read.
    """
    if (folder / MODEL_WEIGHTS).is_file():
        return [MODEL_WEIGHTS]
    if (folder / WEIGHTS_INDEX).is_file():
        shards = _read(folder / WEIGHTS_INDEX).get("weight_map")
        if not isinstance(shards, dict) or not shards or any("/" in str(name) for name in shards.values()):
            msg = f"{WEIGHTS_INDEX} in {folder} names no weights; take a sound copy of the model"
            raise InputError(msg)
        return sorted({str(name) for name in shards.values()})
    msg = (
        f"{folder} has neither {MODEL_WEIGHTS} nor {WEIGHTS_INDEX}; load the model with transformers and write it "
        "again with `save_pretrained`"
    )
    raise InputError(msg)


def _load_config(folder: Path) -> Any:
    from transformers import CONFIG_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig, __version__

    if (folder / ADAPTER_CONFIG).is_file():
        msg = f"{folder} holds an adapter; write into `train.base` the model that it was trained on"
        raise InputError(msg)
    if not (folder / MODEL_CONFIG).is_file():
        msg = f"{folder} has no config.json; it needs a whole model, as `save_pretrained` writes it"
        raise InputError(msg)
    document = _read(folder / MODEL_CONFIG)
    kind, classes = document.get("model_type"), document.get("architectures") or []
    if kind not in CONFIG_MAPPING:
        msg = (
            f"transformers {__version__} knows no model_type {kind!r}, which config.json in {folder} "
            "names; take a model of an architecture that it knows"
        )
        raise InputError(msg)
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    known = MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), ())
    names = {one.__name__ for one in (known if isinstance(known, tuple) else (known,))}
    if not names or (classes and not names & set(classes)) or config.get_text_config() is not config:
        msg = (
            f"{folder} holds {', '.join(classes) or kind}, which is no causal language model of text "
            "alone; take one, such as LlamaForCausalLM, Qwen3ForCausalLM or Gemma3ForCausalLM"
        )
        raise InputError(msg)
    return config


def _check_chat(tokenizer: Any, embeddings: int, folder: Path) -> None:
    """Write a short chat: the template must do it, and the model have an embedding for each of its tokens."""
    try:
        ids = encode_texts(tokenizer, render_chats(tokenizer, [_CHAT], asking=False))[0]
    except Exception as error:  # a template may raise anything
        msg = f"the chat template in {folder} cannot write a chat ({first_line(error)}); mend it"
        raise InputError(msg) from error
    if tokenizer.eos_token_id not in ids:
        msg = (
            f"the chat template in {folder} does not end an answer with the end token "
            f"{tokenizer.eos_token}, so the model would never learn to stop; name in "
            "tokenizer_config.json the eos_token that it ends with"
        )
        raise InputError(msg)
    highest = max(*ids, tokenizer.pad_token_id, tokenizer.eos_token_id)
    if highest >= embeddings:
        msg = (
            f"the tokenizer in {folder} has a token {highest} and the model {embeddings} embeddings, from "
            "0; take the tokenizer that belongs to the model, or resize its embeddings"
        )
        raise InputError(msg)


def _read(path: Path) -> dict[str, Any]:
    """Read a JSON object; that it is JSON was checked with the names."""
    document = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(document, dict):
        msg = f"{path} is no JSON object; take a sound copy of the model"
        raise InputError(msg)
    return document
