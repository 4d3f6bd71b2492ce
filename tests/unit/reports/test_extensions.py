"""A section of another package: its module, the template beside it and an entry point are all that it needs."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from nightloom.core import extensions
from nightloom.reports.document import read_facts

MODULE = """
from pathlib import Path
from nightloom.core.manifests import Plain
from nightloom.reports.sections.base import KeyNumber, Section


class Facts(Plain):
    rows: int


def read(night):
    return Facts(rows=night.predictions.content.rows) if night.predictions else None


def list_key_numbers(facts):
    return [KeyNumber("paper", f"{facts.rows} sheets", "if all were printed")]


SECTION = Section(Path(__file__), "Paper", Facts, read, key_numbers=list_key_numbers)
"""
TEMPLATE = "<p>{{ facts.rows | count }} sheets for {{ report.recipe }}</p>"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Install a package with a section."""

    def write(module: str = MODULE, template: str = TEMPLATE) -> None:
        (tmp_path / "paper.py").write_text(module, encoding="utf-8")
        (tmp_path / "paper.html.j2").write_text(template, encoding="utf-8")
        (tmp_path / "paper-1.dist-info").mkdir()
        (tmp_path / "paper-1.dist-info" / "METADATA").write_text("Name: paper\nVersion: 1\n")
        entry = f"[{extensions.REPORT_SECTIONS}]\npaper = paper:SECTION\n"
        (tmp_path / "paper-1.dist-info" / "entry_points.txt").write_text(entry)
        monkeypatch.syspath_prepend(str(tmp_path))
        extensions._find.cache_clear()

    yield write
    extensions._find.cache_clear()
    sys.modules.pop("paper", None)


def test_section_of_another_package_is_on_the_page(store, full, write, install) -> None:
    install()
    report = write()
    page = store.get_blob(report.provenance.html).decode()
    assert '<h2 id="paper">Paper</h2>\n  <p>240 sheets for support_triage</p>' in page
    assert "<dt>paper</dt><dd>240 sheets" in page
    assert read_facts(store, report).sections["paper"] == {"rows": 240}


@pytest.mark.parametrize(
    ("module", "template", "says"),
    [
        ("raise OSError", TEMPLATE, "Predictions"),
        (MODULE.replace("night.predictions.content.rows", "1 / 0"), TEMPLATE, "its reader raised ZeroDivisionError"),
        (MODULE, "{{ facts.pages }}", "This section cannot be shown: UndefinedError."),
    ],
    ids=["module", "reader", "template"],
)
def test_broken_section_costs_nothing_else(store, full, write, install, module: str, template: str, says: str) -> None:
    install(module, template)
    page = store.get_blob(write().provenance.html).decode()
    assert says in page
    assert "The night&#39;s stages" in page
