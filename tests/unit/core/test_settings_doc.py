"""README.md tells every setting once."""

import re
from pathlib import Path

from nightloom.core.settings import Settings

README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")


def test_every_setting_is_documented_once() -> None:
    rows = re.findall(r"^\| (`NIGHTLOOM_.+?) \|", README, re.MULTILINE)
    told = [name for row in rows for name in re.findall(r"`(\w+)`", row)]  # `_REGION` stands beside a whole name
    settings = [f"NIGHTLOOM_{name.upper()}" for name in Settings.model_fields]
    times = {one: sum(one == name or (name[0] == "_" and one.endswith(name)) for name in told) for one in settings}
    assert times == dict.fromkeys(settings, 1)
