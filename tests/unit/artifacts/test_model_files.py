"""Files that may be loaded from a model folder."""

import re
from pathlib import Path

import nightloom
import pytest
from nightloom.artifacts import model_files
from nightloom.artifacts.model_files import STARTS_TO_IMPORT, STARTS_TO_TRAIN, is_below_folder, is_in_folder

PACKAGE = Path(nightloom.__file__).parent


@pytest.mark.parametrize(
    ("name", "in_folder", "below"),
    [
        ("config.json", True, True),
        ("onnx/config.json", False, True),
        ("../config.json", False, False),
        ("/config.json", False, False),
        (".config.json", False, True),
        ("model.bin", False, False),
        ("own.py", False, False),
    ],
)
def test_data_files_are_accepted(name: str, in_folder: bool, below: bool) -> None:
    assert (is_in_folder(name), is_below_folder(name)) == (in_folder, below)


def test_eva_is_imported_but_not_trained() -> None:
    assert set(STARTS_TO_IMPORT) - set(STARTS_TO_TRAIN) == {"eva"}


@pytest.mark.parametrize("rule", [r'"auto_map"', r'"\.pth"', r'"orthogonal"', r'"adapter_model\.safetensors"'])
def test_rule_is_declared_once(rule: str) -> None:
    modules = [path for path in PACKAGE.rglob("*.py") if re.search(rule, path.read_text(encoding="utf-8"))]
    assert modules == [Path(model_files.__file__)]
