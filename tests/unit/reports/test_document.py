"""The document: golden files pin the header and the facts of each section."""

import json
from pathlib import Path

from nightloom.reports.document import read_report_data
from nightloom.reports.page import list_sections

GOLDEN = Path(__file__).parents[2] / "golden" / "report"
NAMES = [section.name for section in list_sections()]


def read_golden(name: str):
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def test_document_equals_golden_files(store, full, write) -> None:
    report = read_report_data(store, write())
    # The ids of manifests have other tests.
    report.sections["provenance"]["ids"] = [each["name"] for each in report.sections["provenance"]["ids"]]
    assert report.model_dump(mode="json", exclude={"sections"}) == read_golden("header")
    assert report.sections == {name: read_golden(name) for name in NAMES}, (
        "if the facts are meant to change, change tests/golden/report/<section>.json"
    )


def test_each_golden_file_has_a_section() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == {"header", *NAMES}
