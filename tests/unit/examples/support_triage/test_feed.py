"""The feed: the same rows however often and in whatever steps they are written."""

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nightloom.core.errors import InputError, SourceError
from nightloom.curation.minhash import comparable
from nightloom.examples.support_triage.feed import FeedCounts, feed

from .conftest import Relate

FIRST, LAST = date(2026, 11, 1), date(2026, 11, 12)


def november(day: int) -> date:
    return date(2026, 11, day)


def fill(url: str, first_day: date = FIRST, last_day: date = LAST, seed: int = 20) -> FeedCounts:
    return feed(url, seed=seed, first_day=first_day, last_day=last_day, tickets_per_day=10)


def read(url: str, query: str) -> list[tuple[object, ...]]:
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


def read_all(url: str) -> list[list[tuple[object, ...]]]:
    return [
        read(url, "SELECT * FROM ticket_history ORDER BY ticket_id, updated_at"),
        read(url, "SELECT * FROM planted_faults ORDER BY ticket_id"),
        read(url, "SELECT * FROM gold_tickets ORDER BY ticket_id"),
    ]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/tickets.db"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database that was fed in one go."""
    url = f"sqlite:///{tmp_path_factory.mktemp('feed')}/whole.db"
    fill(url)
    return url


def test_second_feed_writes_nothing(url: str):
    first = fill(url)
    before = read_all(url)

    assert first.saves > 200
    assert first.gold == 640
    assert fill(url) == FeedCounts(saves=0, faults=0, gold=0)
    assert read_all(url) == before


def test_single_days_give_same_rows(url: str, whole: str):
    for day in range(1, 13):
        fill(url, last_day=november(day))

    assert read_all(url) == read_all(whole)


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 12), min_size=1, max_size=4))
def test_order_of_days_is_irrelevant(tmp_path_factory: pytest.TempPathFactory, whole: str, ends: list[int]):
    url = f"sqlite:///{tmp_path_factory.mktemp('feed')}/parts.db"
    for end in [*ends, 12]:
        fill(url, last_day=november(end))

    assert read_all(url) == read_all(whole)


def test_moving_window_gives_same_rows(url: str, whole: str):
    fill(url, last_day=november(9))
    for night in (10, 11, 12):
        fill(url, first_day=november(night - 9), last_day=november(night))

    assert read_all(url) == read_all(whole)


def test_second_process_gives_same_rows(url: str, whole: str):
    command = ["-m", "nightloom.examples.support_triage", "--url", url, "--seed", "20", "--tickets-per-day", "10"]
    span = ["--until", "2026-11-10", "--days", "9", "--ahead", "2"]
    done = subprocess.run(
        [sys.executable, *command, *span],
        env={**os.environ, "PYTHONHASHSEED": "7"}, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert done.stdout.endswith("640 gold tickets written\n")
    assert read_all(url) == read_all(whole)


def test_past_cut_stays_unchanged(url: str):
    cut = "SELECT * FROM ticket_history WHERE updated_at < '2026-11-09' ORDER BY ticket_id, updated_at"
    fill(url, last_day=november(8))
    before = read(url, cut)
    fill(url)

    assert read(url, cut) == before
    assert len(read(url, "SELECT * FROM ticket_history")) > len(before) > 100


def test_no_ticket_precedes_first_day(url: str):
    fill(url, first_day=november(5))

    assert read(url, "SELECT min(date(created_at)), max(date(updated_at)) FROM ticket_history") == [
        ("2026-11-05", "2026-11-12")
    ]


def test_open_tickets_have_no_answer(whole: str):
    assert read(
        whole,
        "SELECT DISTINCT status, team IS NULL, urgency IS NULL, reply IS NULL FROM ticket_history ORDER BY status",
    ) == [("answered", 0, 0, 0), ("corrected", 0, 0, 0), ("open", 1, 1, 1)]


def test_gold_has_its_slices(whole: str):
    assert read(whole, "SELECT slice, count(*) FROM gold_tickets GROUP BY slice ORDER BY slice") == [
        ("seen", 500),
        ("unseen", 140),
    ]


def test_gold_has_no_near_duplicate(whole: str, relate: Relate):
    gold = [comparable(str(text)) for (text,) in read(whole, "SELECT text FROM gold_tickets")]
    history = read(whole, "SELECT text FROM ticket_history WHERE status = 'open'")
    tickets = [comparable(str(text)) for (text,) in history]

    assert relate(tickets, gold).items.is_empty()


def test_different_seed_is_refused(url: str):
    fill(url)
    before = read_all(url)

    with pytest.raises(InputError, match="holds the tickets of a seed other than 21"):
        fill(url, seed=21)
    assert read_all(url) == before


def test_missing_database_is_an_error(tmp_path: Path):
    with pytest.raises(SourceError, match=r"ticket system cannot be written .*unable to open database file"):
        fill(f"sqlite:///{tmp_path}/no/folder/tickets.db")
