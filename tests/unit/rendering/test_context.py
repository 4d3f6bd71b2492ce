"""Context: the number of tokens of a model is the same for preparing, training and asking."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from nightloom.core.errors import InputError
from nightloom.engines.transformers import TransformersEngine
from nightloom.rendering.tokenizer import load_tokenizer
from nightloom.rendering.tokens import find_context, load_config, open_encoder

pytestmark = pytest.mark.torch


def write_config(folder: Path, model: Path, **config: Any) -> Path:
    """Copy a model's tokenizer next to another configuration."""
    shutil.copytree(model, folder)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("config", "context"),
    [
        pytest.param({"model_type": "gpt_bigcode", "n_positions": 96}, 96, id="n_positions"),
        pytest.param({"model_type": "codegen"}, 2048, id="another default"),
        pytest.param({"model_type": "llama"}, 2048, id="left out"),
        pytest.param({"model_type": "rwkv", "context_length": 77}, 77, id="context_length"),
        pytest.param({"model_type": "qwen3", "max_position_embeddings": 50}, 50, id="in the file"),
        pytest.param({"model_type": "bloom", "max_position_embeddings": 40}, 40, id="added by hand"),
    ],
)
def test_context_is_that_of_configuration(
    tiny_model: Path, tmp_path: Path, config: dict[str, Any], context: int
) -> None:
    assert open_encoder(write_config(tmp_path / "model", tiny_model, **config)).context == context


def test_engine_has_context_of_encoder(tiny_model: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    sizes = {"n_embd": 8, "n_layer": 1, "n_head": 2, "vocab_size": 300, "n_positions": 24}
    folder = write_config(tmp_path / "model", tiny_model, model_type="gptj", rotary_dim=4, **sizes)
    model = AutoModelForCausalLM.from_config(load_config(folder))
    assert find_context(model.config) == open_encoder(folder).context == 24
    assert TransformersEngine(model, load_tokenizer(folder))._context == 24


def test_unknown_context_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    folder = write_config(tmp_path / "model", tiny_model, model_type="bloom")
    with pytest.raises(InputError, match="of a bloom model has no max_position_embeddings; add the maximum number"):
        open_encoder(folder)
