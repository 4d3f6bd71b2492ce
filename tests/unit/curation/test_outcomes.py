"""Outcomes: what a repaired row is counted under."""

from nightloom.curation.outcomes import _REPAIR_WEIGHT, LABEL
from nightloom.scanners.normalise import OPERATIONS


def test_every_operation_has_a_weight() -> None:
    assert sorted(_REPAIR_WEIGHT) == sorted([LABEL, *OPERATIONS]), (
        "give each operation a place in _REPAIR_WEIGHT, the weightiest first"
    )
