"""The figure of the rows."""

from nightloom.artifacts.data import RuleCount
from nightloom.reports.sections.rows import Facts, draw_rows


def test_equal_facts_give_equal_bytes() -> None:
    counts = [RuleCount(outcome="kept", rule=None, rows=9), RuleCount(outcome="merged", rule="exact_duplicate", rows=1)]
    facts = Facts(new_rows=None, counts=counts, splits={})
    assert draw_rows(facts) == draw_rows(facts)
