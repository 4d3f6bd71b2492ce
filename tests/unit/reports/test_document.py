"""The document: its header and each section's facts are those of a golden file, which pins the wire format."""

import json
from pathlib import Path

import pytest
from nightloom.reports.document import ReportFacts, read_facts
from nightloom.reports.page import list_sections

GOLDEN = Path(__file__).parents[2] / "golden" / "report"
NAMES = [section.name for section in list_sections()]


@pytest.fixture
def facts(store, full, write) -> ReportFacts:
    return read_facts(store, write())


def read_golden(name: str):
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def test_header_is_that_of_the_golden_file(facts: ReportFacts) -> None:
    assert facts.model_dump(mode="json", exclude={"sections"}) == read_golden("header")


@pytest.mark.parametrize("name", NAMES)
def test_section_is_that_of_the_golden_file(facts: ReportFacts, name: str) -> None:
    document = facts.sections[name]
    if name == "provenance":
        # The ids are those of manifests, which have tests of their own.
        document["ids"] = [each["name"] for each in document["ids"]]
    assert document == read_golden(name)


def test_every_golden_file_is_of_a_section() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == {"header", *NAMES}
