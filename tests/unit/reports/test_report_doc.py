"""docs/report.md names the sections of the report in their order."""

import re
from pathlib import Path

from jinja2.defaults import DEFAULT_FILTERS, DEFAULT_NAMESPACE
from nightloom.reports.page import _environment, list_sections

DOC = (Path(__file__).parents[3] / "docs" / "report.md").read_text(encoding="utf-8")


def test_doc_names_every_section() -> None:
    listed = DOC.partition("of each section by its name:")[2].partition(".")[0]
    assert re.findall(r"`(\w+)`", listed) == [section.name for section in list_sections()]


def test_doc_names_every_filter_and_function() -> None:
    table = DOC.partition("| in a template | for |")[2].partition("\n\n")[0]
    cells = re.findall(r"^\| (`.*?`) \|(?! *-)", table, re.MULTILINE)
    documented = {name for cell in cells for name in re.findall(r"\| (\w+)`|`(\w+)\(", cell)}
    environment = _environment()
    own = {name for name, filter_ in environment.filters.items() if DEFAULT_FILTERS.get(name) is not filter_}
    own |= environment.globals.keys() - DEFAULT_NAMESPACE.keys()
    assert {filter_ or function for filter_, function in documented} == own
