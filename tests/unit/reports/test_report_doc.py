"""docs/report.md names the sections of the report in their order."""

import re
from pathlib import Path

from nightloom.reports.page import list_sections

DOC = (Path(__file__).parents[3] / "docs" / "report.md").read_text(encoding="utf-8")


def test_doc_names_every_section() -> None:
    listed = DOC.partition("of each section by its name:")[2].partition(".")[0]
    assert re.findall(r"`(\w+)`", listed) == [section.name for section in list_sections()]
