"""Proof of the checks: recall and precision of every rule on thousands of rows.

Recall is the share of the rows with a planted fault that its rule treated. Precision is the share of the rows treated
by a rule that had its fault; the others are tickets with near misses, and rows with another fault. A treated row counts
only if the result is right: exactly the personal data removed, or the text fixed.
"""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random

import polars as pl
import pytest
from nightloom.scanners.clean import clean_texts
from nightloom.scanners.injections import find_injections
from nightloom.scanners.normalise import normalise
from nightloom.statistics.intervals import wilson_interval

from tests.factories.checks import make_checks

from .clean_tickets import NEAR_MISSES, write_ticket
from .planted import FAULTS, put

ROWS = int(os.environ.get("NIGHTLOOM_PROOF_DRAWS", "60"))
RULES = tuple(dict.fromkeys(rule for rule, _ in FAULTS))


@dataclass(frozen=True, slots=True)
class Row:
    """A row with a fault, or with a near miss if `rule` is empty."""

    rule: str
    kind: str
    text: str
    clean: str | None


def write_rows(seed: str, each: int) -> list[Row]:
    """Write as many rows of every kind of fault, and twice as many of every kind of near miss."""
    rows = []
    for rule, kind in FAULTS:
        random = Random(f"{seed}/{rule}/{kind}")
        rows += [Row(rule, kind, *FAULTS[rule, kind](random, write_ticket(random))) for _ in range(each)]
    for kind, phrase in NEAR_MISSES.items():
        random = Random(f"{seed}/clean/{kind}")
        texts = [put(random, write_ticket(random), phrase(random)) for _ in range(2 * each)]
        rows += [Row("", kind, text, normalise(text, ["whitespace"])[0]) for text in texts]
    return rows


@pytest.fixture(scope="module")
def treated() -> list[tuple[Row, frozenset[str], bool]]:
    """Every row with the rules that treated it, and whether the result is right."""
    rows = write_rows("planted", ROWS)
    table = clean_texts(pl.Series([row.text for row in rows]), make_checks(max_characters=2000))
    return [
        (row, frozenset({rule} if rule else repairs.split(",")), row.clean in (None, clean))
        for row, (clean, repairs, rule) in zip(rows, table.select("clean", "repairs", "rule").iter_rows(), strict=True)
    ]


@pytest.mark.parametrize("rule", RULES)
def test_rule_finds_only_its_faults(rule, treated) -> None:
    planted = [(row, right and rule in rules) for row, rules, right in treated if row.rule == rule]
    taken = [row for row, rules, _ in treated if rule in rules]
    found = sum(right for _, right in planted)
    own = sum(row.rule == rule for row in taken)
    report(f"{rule}: recall", found, len(planted))
    report(f"{rule}: precision", own, len(taken))
    for kind, count in Counter(row.kind for row, _ in planted).items():
        report(f"  {kind}", sum(right for row, right in planted if row.kind == kind), count)
    missed = Counter(row.kind for row, right in planted if not right)
    wrong = Counter(f"{row.rule}/{row.kind}" for row in taken if row.rule != rule)
    print(f"  missed {dict(missed)}; wrongly taken {dict(wrong)}")  # noqa: T201  # the proof's table
    assert found >= 0.99 * len(planted)
    assert own >= 0.99 * len(taken)


def report(name: str, right: int, count: int) -> None:
    interval = wilson_interval(right, count)
    print(f"{name} {right}/{count} = {right / count:.4f} [{interval.low:.4f}, {interval.high:.4f}]")  # noqa: T201  # the proof's table


def read_lines(name: str) -> list[str]:
    return (Path(__file__).parent / name).read_text(encoding="utf-8").splitlines()


def test_unforeseen_attacks_are_often_missed() -> None:
    """Patterns cannot find all attacks in new words; this measures how many they find."""
    attacks, tickets = read_lines("unforeseen_attacks.txt"), read_lines("resembling_tickets.txt")
    found = sum(bool(find_injections(attack)) for attack in attacks)
    taken = sum(bool(find_injections(ticket)) for ticket in tickets)
    report("unforeseen attacks: recall", found, len(attacks))
    report("tickets in the same words: taken", taken, len(tickets))
    assert (len(attacks), len(tickets)) == (50, 40)
    assert found >= 30
    assert taken == 0
