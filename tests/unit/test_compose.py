"""The compose file reads alike for every version of Compose: the newer ones refuse a repeated key."""

import re
from importlib.util import find_spec
from pathlib import Path

import nightloom.registry.store
from nightloom.core.s3 import Bucket
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]


def test_no_key_is_repeated() -> None:
    document = YAML(typ="safe").load(ROOT / "docker-compose.yaml")
    for name in ("api-server", "scheduler", "dag-processor"):
        service = document["services"][name]
        assert service["image"]
        assert service["depends_on"]


def test_set_up_names_what_exists() -> None:
    text = (ROOT / "docker-compose.yaml").read_text(encoding="utf-8")
    ((module, function, method),) = re.findall(r"-c 'from (\S+) import (\w+); \w+\(\)\.bucket\.(\w+)\(\)'", text)
    assert (module, function) == (nightloom.registry.store.__name__, nightloom.registry.store.open_store.__name__)
    assert hasattr(Bucket, method)
    (example,) = re.findall(r"python3 -m (\S+)", text)
    assert find_spec(f"{example}.__main__")
