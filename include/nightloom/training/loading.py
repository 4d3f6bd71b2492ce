"""Loading: the base model as a plan asks for it (precision, quantization, attention), and which settings it knows."""

import difflib
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nightloom.artifacts.blueprints import TrialPlan
from nightloom.artifacts.model_files import STARTS_TO_TRAIN
from nightloom.base_models.loading import load_model
from nightloom.core.errors import InputError, OutOfMemoryError
from nightloom.training.memory import telling_memory

_MODEL = {
    "dtype": ("auto", "float32", "bfloat16", "float16"),
    "attn_implementation": None,
    "use_kernels": (True, False),
    "quantization": ("4bit", "8bit"),
}
"""Settings of `train.model`, with the values that each may have; none: what transformers knows."""

_NEEDS_SETUP = "is set up by objects that a recipe cannot name"
_OTHER_BASE = "changes the base model's weights, so that the adapter would fit no other copy of it"
_NOT_MERGED = "makes an adapter that cannot be merged"
_UNFIT_LORA = {
    **dict.fromkeys(("loftq_config", "kasa_config"), _OTHER_BASE),
    **dict.fromkeys(("layer_replication", "alora_invocation_tokens", "lora_bias"), _NOT_MERGED),
    **dict.fromkeys(
        ("arrow_config", "corda_config", "eva_config", "lora_ga_config", "monteclora_config", "runtime_config"),
        _NEEDS_SETUP,
    ),
    "use_bdlora": _NEEDS_SETUP,
    "inference_mode": "makes an adapter that learns nothing",
}
"""What peft's LoraConfig offers and is refused, and why: an adapter must be right on the base model as it is frozen."""


def check_names(where: str, given: Mapping[str, Any], known: set[str], source: str) -> None:
    """Check the names of settings.

    Raises:
        InputError: One is not known; the closest that is stands in the sentence.
    """
    for name in given:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else source
            msg = f"{where}.{name} is not a setting; {hint}"
            raise InputError(msg)


def check_model_settings(plan: TrialPlan) -> None:
    """Check `train.model`: names, values, and that quantization can be done here.

    Raises:
        InputError: Something is unknown, or is missing here.
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
    """Refuse those of peft's settings that make an adapter which is not right on the untouched base model.

    Raises:
        InputError: One of them is set.
    """
    start = lora.get("init_lora_weights", True)
    if start not in STARTS_TO_TRAIN:
        msg = (
            f"train.lora.init_lora_weights: {start} starts from the base model's weights and changes them, so that the "
            f"adapter would fit no other copy of it; write true, gaussian, orthogonal or mica"
        )
        raise InputError(msg)
    for name, value in lora.items():
        if value and name in _UNFIT_LORA:
            msg = f"train.lora.{name} {_UNFIT_LORA[name]}; remove it"
            raise InputError(msg)


def load_base(plan: TrialPlan, folder: Path) -> Any:
    """Load the base model for training.

    Raises:
        InputError: It has no such attention or kernels, or an adapter on it could not be merged.
        OutOfMemoryError: It does not fit the memory.
    """
    import torch

    given = dict(plan.model)
    quantization = given.pop("quantization", None)
    # Weights that are trained stay in 32 bits: mixed precision is bf16's part, by autocast.
    dtype = given.pop("dtype", "float32" if plan.method == "full" or not has_bf16() else "auto")
    # On a CPU, plain matrix products are the fastest attention over texts as short as these.
    attention = given.pop("attn_implementation", None if torch.cuda.is_available() else "eager")
    if quantization:
        given |= {"quantization_config": _quantize(quantization), "device_map": {"": 0}}
    with telling_memory(describe_device(), _say_too_large, OutOfMemoryError):  # no smaller batch would help
        try:
            model = load_model(folder, dtype=dtype, attention=attention, **given)
        except (ValueError, ImportError) as error:
            msg = f"the base model cannot be loaded as train.model says: {error}"
            raise InputError(msg) from error
    if plan.method == "lora":
        _check_targets(plan.lora, model)
    if quantization:
        from peft import prepare_model_for_kbit_training

        checkpointing = plan.settings.get("gradient_checkpointing", plan.settings.get("activation_checkpointing"))
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=bool(checkpointing))
    return model


def choose_precision(settings: Mapping[str, Any]) -> tuple[dict[str, bool], tuple[str, ...]]:
    """Return what the settings must be changed by, and why: bf16 is the default wherever the chip has it."""
    if has_bf16() or settings.get("fp16") or settings.get("bf16") is False:
        return {}, ()
    return {"bf16": False}, (f"{describe_device()} has no bf16: trained in 32 bits",)


def has_bf16() -> bool:
    """Whether the device computes in bf16; every CPU does, if slowly."""
    from torch import cuda

    return not cuda.is_available() or cuda.is_bf16_supported(including_emulation=False)


def describe_device() -> str:
    """Return the name of the GPU, or `cpu`."""
    from torch import cuda

    return str(cuda.get_device_name()) if cuda.is_available() else "cpu"


def _say_too_large() -> str:
    return "for the base model; take a smaller one, or set train.model.quantization"


def _check_targets(lora: Mapping[str, Any], model: Any) -> None:
    """Refuse to adapt embeddings that are the output layer too: what is merged into one changes the other."""
    if not model.config.get_text_config().tie_word_embeddings:
        return
    tied = [model.get_input_embeddings(), model.get_output_embeddings()]
    names = {name.rpartition(".")[2]: module for name, module in model.named_modules()}
    embeddings, output = (next(name for name, module in names.items() if module is one) for one in tied)
    targets = lora.get("target_modules") or ()
    for name in (embeddings, output):
        if name in targets or any(target.endswith(f".{name}") for target in targets):
            msg = (
                f"train.lora.target_modules names {name}, whose weights are this base model's embeddings and output "
                f"layer alike, so that the adapter could not be merged; write modules_to_save: [{embeddings}] and "
                f"ensure_weight_tying: true instead"
            )
            raise InputError(msg)


def _check_quantization(plan: TrialPlan) -> None:
    from torch import cuda

    msg = ""
    if plan.method != "lora":
        msg = "train.model.quantization is for train.method lora alone: quantized weights cannot be trained"
    elif not cuda.is_available():
        msg = "train.model.quantization needs a GPU; remove it, or train where there is one"
    elif find_spec("bitsandbytes") is None:
        msg = "train.model.quantization needs bitsandbytes; install it for the interpreter that trains, or remove it"
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
