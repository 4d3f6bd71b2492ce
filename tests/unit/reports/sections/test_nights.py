"""Figures of the last nights."""

import pytest
from nightloom.reports.sections.nights import NightFacts, draw_history, draw_volume

from tests.factories.report_nights import words_of


@pytest.mark.parametrize("draw", [draw_volume, draw_history])
def test_single_empty_night_is_drawn(draw) -> None:
    night = NightFacts(night="2026-11-23", new_rows=None, predicted=None, score=None, promoted=False)
    assert "23 Nov" in words_of(draw([night]))
