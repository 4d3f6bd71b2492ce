"""Extensions: the section of docs/report.md, installed from another package."""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from nightloom.core import extensions
from nightloom.reports.document import read_report_data

DOC = (Path(__file__).parents[3] / "docs" / "report.md").read_text(encoding="utf-8")
MODULE, TEMPLATE = (re.findall(rf"```{kind}\n(.*?)```", DOC, re.DOTALL)[0] for kind in ("python", "jinja"))


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Install a package with a section."""

    def write(module: str = MODULE, template: str = TEMPLATE) -> None:
        group, line = re.findall(r'\[project\.entry-points\."(.*)"\]\n(.*)\n', DOC)[0]
        (tmp_path / "invoice.py").write_text(module, encoding="utf-8")
        (tmp_path / "invoice.html.j2").write_text(template, encoding="utf-8")
        (tmp_path / "invoice-1.dist-info").mkdir()
        (tmp_path / "invoice-1.dist-info" / "METADATA").write_text("Name: invoice\nVersion: 1\n")
        entry = f"[{group}]\n{line}\n".replace('"', "")
        (tmp_path / "invoice-1.dist-info" / "entry_points.txt").write_text(entry)
        monkeypatch.syspath_prepend(str(tmp_path))
        extensions._find.cache_clear()

    yield write
    extensions._find.cache_clear()
    sys.modules.pop("invoice", None)


def test_page_shows_section_of_other_package(store, nights, night, write, install) -> None:
    install()
    nights.predict(night)
    report = write()
    page = store.get_blob(report.provenance.html).decode()
    assert '<h2 id="invoice">Invoice</h2>' in page
    assert '<th scope="row">231 answers</th><td class="n">0.46</td>' in page
    assert "<dt>billed</dt><dd>0.46<small>for 231 answers</small></dd>" in page
    assert read_report_data(store, report).sections["invoice"] == {"answers": 231, "bill": 0.462}


@pytest.mark.parametrize(
    ("module", "template", "text"),
    [
        ("raise OSError", TEMPLATE, "Predictions"),
        (MODULE.replace("answers * 0.002", "1 / 0"), TEMPLATE, "ZeroDivisionError in its reader"),
        (MODULE, "{{ facts.pages }}", "This section cannot be shown: UndefinedError."),
    ],
    ids=["module", "reader", "template"],
)
def test_broken_section_keeps_other_sections(
    store, nights, night, write, install, module: str, template: str, text: str
) -> None:
    install(module, template)
    nights.predict(night)
    page = store.get_blob(write().provenance.html).decode()
    assert text in page
    assert "The night&#39;s stages" in page
