"""Tickets: their lives from open to corrected, and the planted ones among them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nightloom.curation.minhash import comparable, jaccard, shingle_texts
from nightloom.examples.support_triage.tickets import LATEST_SAVE_DAYS, Fault, Save, born_on

from .conftest import Relate

seeds = st.integers(0, 10**9)
days = st.dates(date(2000, 1, 1), date(2100, 1, 1))


@dataclass(frozen=True)
class Month:
    """The lives of a month's tickets, each its saves in order, and the faults among them."""

    lives: dict[str, list[Save]]
    faults: list[Fault]

    def planted(self, kind: str) -> list[str]:
        return [fault.ticket_id for fault in self.faults if fault.kind == kind]

    def twins(self, kind: str) -> list[tuple[list[Save], list[Save]]]:
        """Every pair of a kind; the number of a second ticket is that of its first beyond all first ones."""
        pairs = []
        for ticket_id in self.planted(kind):
            day, number = ticket_id[2:10], int(ticket_id[11:])
            first = number - (80 if date.fromisoformat(day).weekday() >= 5 else 108)
            if first >= 0:
                pairs.append((self.lives[f"T-{day}-{first:04d}"], self.lives[ticket_id]))
        return pairs


def by_ticket(saves: Iterable[Save]) -> dict[str, list[Save]]:
    lives: dict[str, list[Save]] = {}
    for save in saves:
        lives.setdefault(save.ticket_id, []).append(save)
    return lives


@pytest.fixture(scope="module")
def month() -> Month:
    """Thirty days of about a hundred tickets."""
    born = [born_on(7, date(2026, 10, 1) + timedelta(days=offset), 100) for offset in range(30)]
    faults = [fault for _, planted in born for fault in planted]
    return Month(by_ticket(save for saves, _ in born for save in saves), faults)


@settings(max_examples=30, deadline=None)
@given(seeds, days)
def test_day_depends_on_seed_and_date(seed: int, day: date):
    first = born_on(seed, day, 15)
    born_on.cache_clear()

    assert born_on(seed, day, 15) == first


@settings(max_examples=30, deadline=None)
@given(seeds, days)
def test_ticket_is_open_before_its_answer(seed: int, day: date):
    for life in by_ticket(born_on(seed, day, 15)[0]).values():
        assert [save.status for save in life] == ["open", "answered", "corrected"][: len(life)]
        assert [save.answer is None for save in life] == [True, False, False][: len(life)]
        assert len({(save.created_at, save.text) for save in life}) == 1


@settings(max_examples=30, deadline=None)
@given(seeds, days)
def test_answers_and_corrections_come_in_time(seed: int, day: date):
    for opened, *later in by_ticket(born_on(seed, day, 15)[0]).values():
        nights = [(save.updated_at.date() - day).days for save in later]

        assert opened.updated_at == opened.created_at
        assert opened.created_at.date() == day
        assert nights[:1] in ([], [1], [2], [3])
        assert all(nights[0] < night <= min(nights[0] + 5, LATEST_SAVE_DAYS) for night in nights[1:])


def test_month_has_expected_shares(month: Month):
    lengths = Counter(len(life) for life in month.lives.values())
    tickets = len(month.lives)
    answered = lengths[2] + lengths[3]
    kinds = Counter(fault.kind for fault in month.faults)

    assert 2900 < tickets < 3200
    assert 0.84 < answered / tickets < 0.90
    assert 0.015 < lengths[3] / answered < 0.04
    assert 0.035 < kinds.pop("wrong_label") / answered < 0.06
    assert 0.007 < kinds.pop("contradicting_label") / 2 / tickets < 0.015
    assert len(kinds) == 8
    assert all(0.006 < count / tickets < 0.016 for count in kinds.values())


def test_weekends_are_quieter():
    friday, saturday = (len({save.ticket_id for save in born_on(3, date(2026, 11, day), 100)[0]}) for day in (20, 21))

    assert 108 <= friday <= 118
    assert 80 <= saturday <= 90


def test_planted_ticket_has_one_fault(month: Month):
    ids = [fault.ticket_id for fault in month.faults]

    assert len(ids) == len(set(ids)) > 300
    assert {len(month.lives[ticket_id]) for ticket_id in ids} == {2}


@pytest.mark.parametrize("kind", ["exact_duplicate", "near_duplicate", "contradicting_label"])
def test_twin_is_answered_after_the_first(kind: str, month: Month):
    pairs = month.twins(kind)

    assert len(pairs) > 10
    for (opened, answered), (twin_opened, twin_answered) in pairs:
        assert twin_opened.ticket_id > opened.ticket_id
        assert answered.updated_at < twin_answered.updated_at
        assert answered.updated_at.date() == twin_answered.updated_at.date()


def test_exact_duplicate_repeats_text_and_answer(month: Month):
    for (_, first), (_, twin) in month.twins("exact_duplicate"):
        assert (twin.text, twin.answer) == (first.text, first.answer)


def test_near_duplicate_is_close_but_different(month: Month):
    for (_, first), (_, twin) in month.twins("near_duplicate"):
        one, other = comparable(first.text), comparable(twin.text)

        assert one != other
        assert jaccard(*shingle_texts([one, other])) >= 0.86
        assert twin.answer == first.answer


def test_contradicting_twins_are_both_planted(month: Month):
    planted = set(month.planted("contradicting_label"))
    pairs = month.twins("contradicting_label")

    assert planted == {life[0].ticket_id for life in chain.from_iterable(pairs)}
    for (_, first), (_, twin) in pairs:
        assert twin.text == first.text
        assert twin.answer.team != first.answer.team


def test_clean_tickets_are_no_near_duplicates(month: Month, relate: Relate):
    planted = {fault.ticket_id for fault in month.faults if fault.kind != "wrong_label"}
    texts = [comparable(life[0].text) for ticket_id, life in month.lives.items() if ticket_id not in planted]

    assert len(texts) == len(set(texts)) > 2500
    assert relate(texts).pairs.is_empty()
