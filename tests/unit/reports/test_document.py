"""The document: its header and each section's facts are those of a golden file, which pins the wire format."""

import json
from pathlib import Path

from nightloom.reports.document import read_facts
from nightloom.reports.page import list_sections

GOLDEN = Path(__file__).parents[2] / "golden" / "report"
NAMES = [section.name for section in list_sections()]


def read_golden(name: str):
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def test_document_is_that_of_the_golden_files(store, full, write) -> None:
    facts = read_facts(store, write())
    # The ids are those of manifests, which have tests of their own.
    facts.sections["provenance"]["ids"] = [each["name"] for each in facts.sections["provenance"]["ids"]]
    assert facts.model_dump(mode="json", exclude={"sections"}) == read_golden("header")
    for name in NAMES:
        assert facts.sections[name] == read_golden(name)


def test_every_golden_file_is_of_a_section() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == {"header", *NAMES}
