"""Two adapters are bit-equal, numerically equal or different; the reasons name the difference."""

import json
from pathlib import Path

import pytest
from nightloom.artifacts.training import LossPoint
from nightloom.blueprints.weights import compare_curves, compare_folders

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

WEIGHTS = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([[100.0]])}


@pytest.fixture
def write(tmp_path: Path):
    """Write an adapter's folder."""
    from safetensors.torch import save_file

    def write(name, weights=WEIGHTS, **config):
        folder = tmp_path / name
        folder.mkdir()
        save_file(weights, folder / "adapter_model.safetensors")
        (folder / "adapter_config.json").write_text(json.dumps({"r": 8, **config}))
        return folder

    return write


def test_same_bytes_are_bit_equal(write):
    found = compare_folders(write("old"), write("new"), 1e-5)
    assert (found.likeness, found.largest, found.reasons) == ("bit-equal", None, ())


def test_rounding_is_numerically_equal(write):
    rounded = {"a": torch.tensor([1.0, 2.0 + 2**-18]), "b": WEIGHTS["b"]}
    found = compare_folders(write("old"), write("new", rounded), 1e-5)
    assert (found.likeness, found.tensors, found.reasons) == ("numerically equal", 2, ())
    assert found.largest is not None
    assert (found.largest.name, found.largest.absolute, found.largest.relative) == (
        "adapter_model.safetensors: a",
        2**-18,
        2**-19,
    )


def test_large_elements_have_relative_tolerance(write):
    old, near = write("old"), write("near", {**WEIGHTS, "b": torch.tensor([[100.0 + 2**-12]])})
    assert compare_folders(old, near, 1e-5).likeness == "numerically equal"
    assert compare_folders(old, near, 1e-6).reasons == ("adapter_model.safetensors: b differs by up to 0.000244",)


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        ({**WEIGHTS, "a": torch.tensor([1.0, 2.1])}, "adapter_model.safetensors: a differs by up to 0.1"),
        (
            {**WEIGHTS, "a": torch.tensor([1.0])},
            "adapter_model.safetensors: a is float32 [1], not float32 [2]",
        ),
        (
            {**WEIGHTS, "a": WEIGHTS["a"].double()},
            "adapter_model.safetensors: a is float64 [2], not float32 [2]",
        ),
        (
            {**WEIGHTS, "a": torch.tensor([1.0, float("nan")])},
            "adapter_model.safetensors: a holds values that are not finite",
        ),
        ({"a": WEIGHTS["a"]}, "adapter_model.safetensors: tensor b is missing"),
        ({**WEIGHTS, "c": torch.tensor([3.0])}, "adapter_model.safetensors: tensor c is new"),
    ],
    ids=["beyond the tolerance", "shape", "type", "not a number", "gone", "new"],
)
def test_different_weights_are_reported(write, weights, reason):
    found = compare_folders(write("old"), write("new", weights), 1e-5)
    assert (found.likeness, found.reasons) == ("different", (reason,))


def test_changed_configuration_is_different(write):
    found = compare_folders(write("old"), write("new", r=16), 1e-5)
    assert (found.likeness, found.reasons) == ("different", ("adapter_config.json has different contents",))


def test_additional_file_is_different(write):
    new = write("new")
    (new / "more.json").write_text("{}")
    assert compare_folders(write("old"), new, 1e-5).reasons == ("more.json is new",)


def test_reformatted_configuration_is_equal(write):
    new = write("new")
    (new / "adapter_config.json").write_text('{ "r": 8 }')
    assert compare_folders(write("old"), new, 1e-5).likeness == "numerically equal"


def test_curves_are_compared_at_common_steps():
    def curve(*losses):
        return [LossPoint(step=step, loss=loss, learning_rate=0.1) for step, loss in losses]

    assert compare_curves(curve((1, 0.5), (2, 0.25)), curve((1, 0.75), (3, 9.0))) == 0.25
    assert compare_curves(curve((1, 0.5)), curve((2, 0.5))) is None
