"""Loading: the base model with a plan's precision, quantization and attention, and checks of these settings."""

import difflib
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nightloom.artifacts.blueprints import TrialPlan
from nightloom.artifacts.model_files import STARTS_TO_TRAIN
from nightloom.base_models.loading import load_model
from nightloom.core.errors import InputError, OutOfMemoryError
from nightloom.training.memory import translate_memory_errors

_MODEL = {
    "dtype": ("auto", "float32", "bfloat16", "float16"),
    "attn_implementation": None,
    "use_kernels": (True, False),
    "quantization": ("4bit", "8bit"),
}
"""Settings of `train.model` with their allowed values, or None if transformers checks the value."""

_NEEDS_SETUP = "needs objects that a recipe cannot write"
_OTHER_BASE = "changes the base model's weights, so the adapter would not fit another copy of it"
_NOT_MERGED = "produces an adapter that cannot be merged"
_UNFIT_LORA = {
    **dict.fromkeys(("loftq_config", "kasa_config"), _OTHER_BASE),
    **dict.fromkeys(("layer_replication", "alora_invocation_tokens", "lora_bias"), _NOT_MERGED),
    **dict.fromkeys(
        ("arrow_config", "corda_config", "eva_config", "lora_ga_config", "monteclora_config", "runtime_config"),
        _NEEDS_SETUP,
    ),
    "use_bdlora": _NEEDS_SETUP,
    "inference_mode": "produces an adapter that learns nothing",
}
"""Refused settings of peft's LoraConfig, with the reason: an adapter must work on the frozen base model."""


def check_names(where: str, given: Mapping[str, Any], known: set[str], source: str) -> None:
    """Check the names of settings.

    Raises:
        InputError: A name is unknown; the message suggests the closest one.
    """
    for name in given:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else source
            msg = f"{where}.{name} is not a setting; {hint}"
            raise InputError(msg)


def check_model_settings(plan: TrialPlan) -> None:
    """Check the names and values of `train.model`, and whether this machine can quantize.

    Raises:
        InputError: A name or value is unknown, or quantization is not possible here.
    """
    check_names("train.model", plan.model, set(_MODEL), f"known are {', '.join(_MODEL)}")
    for name, value in plan.model.items():
        known = _MODEL[name]
        if known and value not in known:
            msg = f"train.model.{name} is {value!r}; write one of {', '.join(map(str, known))}"
            raise InputError(msg)
    if "quantization" in plan.model:
        _check_quantization(plan)


def check_lora_settings(lora: Mapping[str, Any]) -> None:
    """Refuse settings of peft whose adapter would not work on the unchanged base model.

    Raises:
        InputError: Such a setting is used.
    """
    start = lora.get("init_lora_weights", True)
    if start not in STARTS_TO_TRAIN:
        msg = (
            f"train.lora.init_lora_weights: {start} changes the base model's weights, so the adapter would not fit "
            f"another copy of it; write true, gaussian, orthogonal or mica"
        )
        raise InputError(msg)
    for name, value in lora.items():
        if value and name in _UNFIT_LORA:
            msg = f"train.lora.{name} {_UNFIT_LORA[name]}; remove it"
            raise InputError(msg)


def load_base(plan: TrialPlan, folder: Path) -> Any:
    """Load the base model for training.

    Raises:
        InputError: The model lacks this attention or kernels, or its adapter could not be merged.
        OutOfMemoryError: The model does not fit the memory.
    """
    import torch

    given = dict(plan.model)
    quantization = given.pop("quantization", None)
    # Trained weights stay in 32 bits: autocast computes in bf16.
    dtype = given.pop("dtype", "float32" if plan.method == "full" or not has_bf16() else "auto")
    # On a CPU, plain matrix products are the fastest attention for short texts.
    attention = given.pop("attn_implementation", None if torch.cuda.is_available() else "eager")
    if quantization:
        given |= {"quantization_config": _quantize(quantization), "device_map": {"": 0}}
    hint = "while loading the base model; use a smaller one, or set train.model.quantization"
    with translate_memory_errors(describe_device(), lambda: hint, OutOfMemoryError):
        try:
            model = load_model(folder, dtype=dtype, attention=attention, **given)
        except (ValueError, ImportError) as error:
            msg = f"the base model cannot be loaded with train.model: {error}"
            raise InputError(msg) from error
    if plan.method == "lora":
        _check_names(plan.lora, model)
        _check_targets(plan.lora, model)
    if quantization:
        from peft import prepare_model_for_kbit_training

        checkpointing = plan.settings.get("gradient_checkpointing", plan.settings.get("activation_checkpointing"))
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=bool(checkpointing))
    return model


def choose_precision(settings: Mapping[str, Any]) -> tuple[dict[str, bool], tuple[str, ...]]:
    """Return changes of the settings and their reasons: bf16 is the default if the device supports it."""
    if has_bf16() or settings.get("fp16") or settings.get("bf16") is False:
        return {}, ()
    return {"bf16": False}, (f"{describe_device()} does not support bf16: trained in 32 bits",)


def has_bf16() -> bool:
    """Whether the device supports bf16; every CPU does, if slowly."""
    from torch import cuda

    return not cuda.is_available() or cuda.is_bf16_supported(including_emulation=False)


def describe_device() -> str:
    """Return the name of the GPU, or `cpu`."""
    from torch import cuda

    return str(cuda.get_device_name()) if cuda.is_available() else "cpu"


def _check_names(lora: Mapping[str, Any], model: Any) -> None:
    """Refuse names that fit no part of the model. peft reads past them as long as another one fits."""
    modules = [name for name, _ in model.named_modules() if name]
    parameters = [name for name, _ in model.named_parameters()]
    for setting in ("target_modules", "modules_to_save", "target_parameters", "rank_pattern", "alpha_pattern"):
        given = lora.get(setting)
        known = modules if setting in ("target_modules", "modules_to_save") else [*modules, *parameters]
        for name in given if isinstance(given, list | tuple | dict) else ():
            if not any(_is_named(one, name, setting) for one in known):
                close = difflib.get_close_matches(str(name), {one.rpartition(".")[2] for one in known}, n=1)
                hint = f"did you mean {close[0]!r}?" if close else "correct or remove it"
                msg = f"train.lora.{setting} cannot be used: the base model has no {str(name)[:80]!r}; {hint}"
                raise InputError(msg)


def _is_named(path: str, name: Any, setting: str) -> bool:
    """Whether peft finds a part of the model by this name."""
    if setting == "modules_to_save":
        return path.endswith(str(name))
    try:
        pattern = name if setting.endswith("_pattern") else re.escape(str(name))
        return re.fullmatch(rf"(.*\.)?({pattern})", path) is not None
    except re.error:
        return False


def _check_targets(lora: Mapping[str, Any], model: Any) -> None:
    """Refuse LoRA on embeddings tied to the output layer: merging into one would change the other."""
    if not model.config.get_text_config().tie_word_embeddings:
        return
    tied = [model.get_input_embeddings(), model.get_output_embeddings()]
    names = {name.rpartition(".")[2]: module for name, module in model.named_modules()}
    embeddings, output = (next(name for name, module in names.items() if module is one) for one in tied)
    targets = lora.get("target_modules") or ()
    for name in (embeddings, output):
        if name in targets or any(target.endswith(f".{name}") for target in targets):
            msg = (
                f"train.lora.target_modules names {name}, but this base model ties its embeddings to its output layer, "
                f"so the adapter could not be merged; write modules_to_save: [{embeddings}] and "
                f"ensure_weight_tying: true instead"
            )
            raise InputError(msg)


def _check_quantization(plan: TrialPlan) -> None:
    from torch import cuda

    msg = ""
    if plan.method != "lora":
        msg = "train.model.quantization works only with train.method lora: quantized weights cannot be trained"
    elif not cuda.is_available():
        msg = "train.model.quantization needs a GPU; remove it, or train on a machine with one"
    elif find_spec("bitsandbytes") is None:
        msg = "train.model.quantization needs bitsandbytes; install it for the training interpreter, or remove it"
    if msg:
        raise InputError(msg)


def _quantize(quantization: str) -> Any:
    import torch
    from transformers import BitsAndBytesConfig

    if quantization == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
