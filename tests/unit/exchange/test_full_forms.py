"""Forms of fully fine-tuned models: what transformers saved is imported, or refused with the reason."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from nightloom.base_models.loading import load_model
from nightloom.core.errors import InputError
from safetensors.torch import load_file, save_file

from .conftest import Adopt

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("one_thread")]

Change = Callable[[Path], None]


@pytest.fixture
def tuned(tiny_model: Path, tmp_path: Path) -> Path:
    """The tiny model with other weights, as transformers saves it."""
    torch.manual_seed(3)
    model = load_model(tiny_model)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
    model.save_pretrained(tmp_path / "tuned")
    return tmp_path / "tuned"


def setting(file: str, **values: object) -> Change:
    def change(folder: Path) -> None:
        path = folder / file
        path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **values}), encoding="utf-8")

    return change


def rename(old: str, new: str) -> Change:
    def change(folder: Path) -> None:
        weights = load_file(path := folder / "model.safetensors")
        save_file({name.replace(old, new): weight for name, weight in weights.items()}, path, {"format": "pt"})

    return change


VALID = {
    "other base of positions": setting("config.json", rope_theta=5000.0),
    "saved for training": setting("config.json", use_cache=False),
    "longer context": setting("config.json", max_position_embeddings=128),
    "defaults of generation": setting("generation_config.json", repetition_penalty=2.0, min_new_tokens=9),
    "more ends": setting("generation_config.json", eos_token_id=[77, 78]),
}


@pytest.mark.parametrize("change", VALID.values(), ids=VALID)
def test_model_that_transformers_saved_is_imported(tuned: Path, adopt: Adopt, change: Change) -> None:
    change(tuned)
    assert adopt(tuned)[0].content.method == "full"


REFUSED = {
    "an adapter within": (
        rename("q_proj.", "q_proj.base_layer."),
        r"q_proj\.base_layer\S+, which has \S+q_proj\.weight",
    ),
    "compiled": (rename("model.", "_orig_mod.model."), r"_orig_mod\S+, which has model\S+; save the model again"),
    "quantized": (setting("config.json", quantization_config={"quant_method": "awq"}), r"is quantized \(awq\)"),
    "shorter context": (setting("config.json", max_position_embeddings=32), "it holds 32 tokens, and its base .* 64;"),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED)
def test_model_that_cannot_be_served_is_refused(tuned: Path, adopt: Adopt, change: Change, message: str) -> None:
    change(tuned)
    with pytest.raises(InputError, match=message):
        adopt(tuned)
