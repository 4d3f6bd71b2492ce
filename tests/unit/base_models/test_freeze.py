"""Base models from folders and from S3: valid ones, and many kinds of invalid ones."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from nightloom.artifacts.folders import fetch_model
from nightloom.artifacts.models import BaseModelManifest
from nightloom.base_models.freeze import S3Prefix, freeze_base
from nightloom.core.errors import FaultError, InputError
from nightloom.core.store import ObjectStore
from nightloom.rendering.tokens import open_encoder
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from tests.conftest import MemoryS3

pytestmark = pytest.mark.torch


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    """A model's folder to be changed."""
    return shutil.copytree(tiny_model, tmp_path / "model")


def edit(path: Path, **values: object) -> None:
    """Set keys of a JSON file, or remove those that are None."""
    document = {**json.loads(path.read_text(encoding="utf-8")), **values}
    kept = {key: value for key, value in document.items() if value is not None}
    path.write_text(json.dumps(kept), encoding="utf-8")


def shard(model: Path) -> list[str]:
    """Divide a model's weights in two files, with an index, as large ones are published."""
    weights = load_file(model / "model.safetensors")
    (model / "model.safetensors").unlink()
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    files = {key: names[number % 2] for number, key in enumerate(sorted(weights))}
    for name in names:
        save_file({key: weights[key] for key in files if files[key] == name}, model / name, {"format": "pt"})
    index = {"metadata": {}, "weight_map": files}
    (model / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    return names


def test_extra_files_are_not_frozen(store: ObjectStore, model: Path) -> None:
    alone = freeze_base(store, str(model))
    (model / "README.md").write_text("---\nlicense: other\nlicense_name: llama3\n---\n", encoding="utf-8")
    (model / ".cache").mkdir()
    for name in (".gitattributes", "LICENSE", "pytorch_model.bin", "consolidated.safetensors", ".cache/x.json", "a.py"):
        (model / name).write_bytes(b"extra")
    assert freeze_base(store, str(model)) == alone


@pytest.mark.parametrize(
    ("card", "license_"),
    [
        pytest.param("---\nlicense: other\nlicense_name: llama3\n---\n# A", "llama3", id="of its own"),
        pytest.param("---\nlicense: mit\n---\n", "mit", id="known"),
        pytest.param("---\nlicense: [\n---\n", None, id="no YAML"),
        pytest.param("# A model\n---\nlicense: mit\n---\n", None, id="no front matter"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_licence_is_read_from_card(store: ObjectStore, model: Path, card: str, license_: str | None) -> None:
    (model / "README.md").write_text(card, encoding="utf-8")
    provenance = store.load(BaseModelManifest, freeze_base(store, str(model))).provenance
    assert (provenance.source, provenance.license) == ("model", license_)


def test_sharded_weights_are_frozen(store: ObjectStore, model: Path) -> None:
    names = shard(model)
    files = store.load(BaseModelManifest, freeze_base(store, str(model))).content.files
    assert [file.path for file in files if file.path.endswith(".safetensors")] == names


def lose_a_shard(model: Path) -> None:
    (model / shard(model)[1]).unlink()


def cut_off(model: Path) -> None:
    path = model / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def cut_off_within_the_head(model: Path) -> None:
    path = model / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100])


def lose_a_weight(model: Path) -> None:
    weights = load_file(model / "model.safetensors")
    del weights["model.layers.0.mlp.up_proj.weight"]
    save_file(weights, model / "model.safetensors", {"format": "pt"})


def leave_pickles_alone(model: Path) -> None:
    torch.save({}, model / "pytorch_model.bin")
    (model / "model.safetensors").unlink()


def lose_the_template(model: Path) -> None:
    (model / "chat_template.jinja").unlink()


def lose_the_tokenizer(model: Path) -> None:
    (model / "tokenizer.json").unlink()


def add_a_token_for_padding(model: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.add_special_tokens({"pad_token": "<|new|>"})
    tokenizer.save_pretrained(model)


def add_a_word(model: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.add_tokens(["<tool>"])
    tokenizer.save_pretrained(model)


def grow_the_vocabulary(model: Path) -> None:
    path = model / "tokenizer.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["model"]["vocab"] |= {"zq": 300, "qz": 301}
    path.write_text(json.dumps(document), encoding="utf-8")


def lose_the_end(model: Path) -> None:
    for name in ("tokenizer_config.json", "config.json", "generation_config.json"):
        edit(model / name, eos_token=None, eos_token_id=None)


def end_answers_otherwise(model: Path) -> None:
    template = model / "chat_template.jinja"
    template.write_text(template.read_text(encoding="utf-8").replace("<|end|>", "<|stop|>"), encoding="utf-8")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        pytest.param(lambda model: shutil.rmtree(model), "does not exist: write `starter`, a folder", id="no folder"),
        pytest.param(lambda model: [path.unlink() for path in model.iterdir()], "contains no model", id="empty"),
        pytest.param(
            lose_a_shard,
            "model-00002-of-00002.safetensors, which .* names, is not in .*complete it",
            id="a shard is missing",
        ),
        pytest.param(cut_off, r"model.safetensors in .* is truncated or damaged", id="cut off"),
        pytest.param(
            cut_off_within_the_head, r"model.safetensors in .* is truncated or damaged", id="cut off within the head"
        ),
        pytest.param(
            lose_a_weight, r"1 weight in .* is missing .* model.layers.0.mlp.up_proj.weight", id="a weight is missing"
        ),
        pytest.param(
            lambda model: edit(model / "config.json", vocab_size=400),
            r"1 weight in .* differs in shape",
            id="weights of another shape",
        ),
        pytest.param(
            lambda model: (model / "model.safetensors").unlink(), "has neither model.safetensors nor", id="no weights"
        ),
        pytest.param(leave_pickles_alone, "pytorch_model.bin in .* is a pickle.*save_pretrained", id="pickles alone"),
        pytest.param(
            lambda model: edit(model / "config.json", model_type="own"),
            "does not know the model_type 'own'",
            id="unknown architecture",
        ),
        pytest.param(
            lambda model: edit(model / "config.json", architectures=["LlamaModel"]),
            "holds LlamaModel, which is not a",
            id="no language model",
        ),
        pytest.param(
            lambda model: edit(model / "config.json", model_type="t5"),
            "not a text-only causal language model",
            id="no causal model",
        ),
        pytest.param(
            lambda model: edit(model / "config.json", auto_map={"AutoModel": "a.B"}), "own code", id="own code"
        ),
        pytest.param(
            lambda model: (model / "config.json").write_text("{", encoding="utf-8"),
            "config.json is not valid JSON",
            id="configuration is no JSON",
        ),
        pytest.param(
            lambda model: (model / "config.json").rename(model / "adapter_config.json"),
            "holds an adapter",
            id="adapter",
        ),
        pytest.param(lambda model: (model / "config.json").unlink(), "has no config.json", id="no configuration"),
        pytest.param(
            lambda model: edit(model / "config.json", quantization_config={"quant_method": "gptq", "bits": 4}),
            "GPTQ .*; use its unquantized copy, or install what reads its format",
            id="quantized with GPTQ",
        ),
        pytest.param(
            lambda model: edit(model / "config.json", quantization_config={"quant_method": "awq", "bits": 4}),
            "; use its unquantized copy",
            id="quantized with AWQ",
        ),
        pytest.param(
            lambda model: edit(
                model / "config.json", quantization_config={"quant_method": "bitsandbytes", "load_in_8bit": True}
            ),
            "; use its unquantized copy",
            id="quantized with bitsandbytes",
        ),
        pytest.param(lose_the_tokenizer, "has no tokenizer; add a tokenizer.json", id="no tokenizer"),
        pytest.param(
            lambda model: (model / "tokenizer.json").write_text("{}", encoding="utf-8"),
            "tokenizer in .* cannot be read",
            id="damaged tokenizer",
        ),
        pytest.param(lose_the_template, "has no chat_template; use the model's chat version", id="no chat template"),
        pytest.param(lose_the_end, "has no eos_token", id="no end token"),
        pytest.param(end_answers_otherwise, "does not end an answer with the end token", id="another end"),
        pytest.param(
            add_a_token_for_padding,
            "has a token 300, and the model only 300 embeddings",
            id="more tokens than embeddings",
        ),
        pytest.param(add_a_word, "has a token 300, and the model only 300", id="an added word without embedding"),
        pytest.param(grow_the_vocabulary, "has a token 301, and the model only 300", id="another vocabulary"),
    ],
)
def test_unusable_base_is_refused(
    store: ObjectStore, s3: MemoryS3, model: Path, harm: Callable[[Path], None], message: str
) -> None:
    harm(model)
    with pytest.raises(InputError, match=message):
        freeze_base(store, str(model))
    assert s3.objects == {}


MISREAD: dict[str, tuple[str, object, str]] = {
    "a type": ("config.json", {"max_position_embeddings": "64"}, "cannot read config.json .*expected int, got str"),
    "another architecture's heads": ("config.json", {"num_attention_heads": 5}, "32.* is not a multiple of"),
    "half a scaling": ("config.json", {"rope_scaling": {"rope_type": "yarn"}}, "Missing required keys"),
    "an end in words": (
        "generation_config.json",
        {"eos_token_id": "</s>"},
        "generation_config.json .* is '</s>'; write",
    ),
    "an end within a list": ("generation_config.json", {"eos_token_id": [2, "</s>"]}, "write the number of the token"),
    "a list": ("generation_config.json", [], "generation_config.json is not a JSON object"),
    "several beams": ("generation_config.json", {"num_return_sequences": 2}, "num_return_sequences"),
    "no default template": (
        "tokenizer_config.json",
        {"chat_template": [{"name": "tools", "template": "{{ messages }}"}]},
        "with no default specified.*correct tokenizer_config.json",
    ),
}
"""Values of a model's files that transformers refuses by errors of many classes, some of them only in use."""


@pytest.mark.parametrize(("name", "values", "message"), MISREAD.values(), ids=MISREAD)
def test_value_refused_by_transformers_is_reported(
    store: ObjectStore, model: Path, name: str, values: dict[str, object] | list[object], message: str
) -> None:
    if "chat_template" in values:
        lose_the_template(model)
    known = json.loads((model / name).read_text(encoding="utf-8")) if isinstance(values, dict) else {}
    (model / name).write_text(json.dumps({**known, **values} if isinstance(values, dict) else values), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        freeze_base(store, str(model))


def test_control_token_outside_texts_needs_no_embedding(store: ObjectStore, model: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    tokenizer.save_pretrained(model)
    encoder = open_encoder(fetch_model(store, BaseModelManifest, freeze_base(store, str(model)))[1])
    (encoded,) = encoder.encode([[{"role": "user", "content": "<image>"}, {"role": "assistant", "content": "<image>"}]])
    assert max(encoded.ids) < 300


def upload(s3: MemoryS3, folder: Path, prefix: str) -> None:
    for path in folder.iterdir():
        s3.put_object(Bucket="models", Key=prefix + path.name, Body=path.read_bytes())


@pytest.mark.parametrize("base", ["s3://models/tiny/", "s3://models/tiny"])
def test_prefix_freezes_like_its_folder(store: ObjectStore, s3: MemoryS3, model: Path, base: str) -> None:
    upload(s3, model, "tiny/")
    upload(s3, model, "tiny/before/")
    frozen = freeze_base(store, base)
    assert store.load(BaseModelManifest, frozen).provenance.source == base
    assert freeze_base(store, str(model)) == frozen


def test_prefix_of_real_store_is_frozen(s3_store: ObjectStore, model: Path) -> None:
    for path in model.iterdir():
        s3_store.bucket.upload(path, f"models/tiny/{path.name}")
    base = f"s3://{s3_store.bucket.name}/models/tiny/"
    frozen = freeze_base(s3_store, base)
    edit(model / "config.json", rope_theta=20_000.0)
    s3_store.bucket.upload(model / "config.json", "models/tiny/config.json")
    assert freeze_base(s3_store, base) != frozen


def test_unchanged_prefix_is_not_read_again(
    store: ObjectStore, s3: MemoryS3, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(s3, model, "tiny/")
    frozen = freeze_base(store, "s3://models/tiny/")
    monkeypatch.delattr(MemoryS3, "download_file")
    assert freeze_base(store, "s3://models/tiny/") == frozen
    # Its files are in this machine's cache already.
    assert fetch_model(store, BaseModelManifest, frozen)[0].id == frozen


def test_changed_prefix_is_another_base(store: ObjectStore, s3: MemoryS3, model: Path) -> None:
    upload(s3, model, "tiny/")
    frozen = freeze_base(store, "s3://models/tiny/")
    edit(model / "config.json", rope_theta=20_000.0)
    upload(s3, model, "tiny/")
    assert freeze_base(store, "s3://models/tiny/") != frozen


def test_prefix_changed_while_reading_fails(store: ObjectStore, s3: MemoryS3, model: Path, tmp_path: Path) -> None:
    upload(s3, model, "tiny/")
    prefix = S3Prefix(store, "s3://models/tiny/")
    edit(model / "config.json", rope_theta=20_000.0)
    upload(s3, model, "tiny/")
    with pytest.raises(FaultError, match="s3://models/tiny/ was changed while it was read"):
        prefix.fetch(["config.json"], tmp_path)
    assert not (tmp_path / "config.json").exists()


@pytest.mark.parametrize("base", ["s3://models/none/", "s3://models/", "s3://"])
def test_empty_prefix_is_refused(store: ObjectStore, base: str) -> None:
    with pytest.raises(InputError, match="there is nothing under s3://"):
        freeze_base(store, base)


def test_refused_prefix_can_be_fixed(store: ObjectStore, s3: MemoryS3, model: Path, tiny_model: Path) -> None:
    cut_off(model)
    upload(s3, model, "tiny/")
    with pytest.raises(InputError, match="is truncated or damaged"):
        freeze_base(store, "s3://models/tiny/")
    upload(s3, tiny_model, "tiny/")
    assert freeze_base(store, "s3://models/tiny/") == freeze_base(store, str(tiny_model))
