"""The compose file reads alike for every version of Compose: the newer ones refuse a repeated key."""

from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]


def test_no_key_is_repeated() -> None:
    document = YAML(typ="safe").load(ROOT / "docker-compose.yaml")
    for name in ("api-server", "scheduler", "dag-processor"):
        service = document["services"][name]
        assert service["image"]
        assert service["depends_on"]
