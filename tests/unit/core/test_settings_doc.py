"""README.md documents every setting once."""

import re
from pathlib import Path

from nightloom.core.settings import Settings

README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")


def test_every_setting_is_documented_once() -> None:
    rows = re.findall(r"^\| (`NIGHTLOOM_.+?) \|", README, re.MULTILINE)
    documented = [
        name for row in rows for name in re.findall(r"`(\w+)`", row)
    ]  # a row may abbreviate further names, such as `_REGION`
    settings = [f"NIGHTLOOM_{name.upper()}" for name in Settings.model_fields]
    times = {
        one: sum(one == name or (name[0] == "_" and one.endswith(name)) for name in documented) for one in settings
    }
    assert times == dict.fromkeys(settings, 1)
