"""The night lock: one night of a recipe runs at a time."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from nightloom.core.errors import NightBusyError
from nightloom.core.nights import utc_now
from nightloom.registry.night_lock import LASTS, acquire_night_lock, holding_night_lock, release_night_lock
from nightloom.registry.tables import LeaseRow

NIGHTS = [date(2026, 11, day) for day in (21, 22, 23, 24)]


def let_time_pass(registry, by):
    with registry.transaction() as session:
        for row in session.query(LeaseRow):
            row.expires_at -= by


def test_another_night_waits(registry):
    acquire_night_lock(registry, "triage", NIGHTS[1])
    with pytest.raises(
        NightBusyError,
        match="night 2026-11-22 of triage is running, and only one night runs at a time; night 2026-11-23",
    ):
        acquire_night_lock(registry, "triage", NIGHTS[2])


def test_night_keeps_its_lock(registry):
    acquire_night_lock(registry, "triage", NIGHTS[1])
    acquire_night_lock(registry, "triage", NIGHTS[1])


def test_recipes_do_not_wait_for_each_other(registry):
    acquire_night_lock(registry, "triage", NIGHTS[1])
    acquire_night_lock(registry, "banking", NIGHTS[2])


def test_oldest_waiting_night_is_next(registry):
    acquire_night_lock(registry, "triage", NIGHTS[0])
    for night in (NIGHTS[3], NIGHTS[1], NIGHTS[2]):
        with pytest.raises(NightBusyError):
            acquire_night_lock(registry, "triage", night)
    release_night_lock(registry, "triage", NIGHTS[0])
    for night in (NIGHTS[3], NIGHTS[2]):
        with pytest.raises(NightBusyError, match="night 2026-11-22"):
            acquire_night_lock(registry, "triage", night)
    acquire_night_lock(registry, "triage", NIGHTS[1])


def test_running_night_is_not_interrupted(registry):
    acquire_night_lock(registry, "triage", NIGHTS[2])
    with pytest.raises(NightBusyError):
        acquire_night_lock(registry, "triage", NIGHTS[1])
    acquire_night_lock(registry, "triage", NIGHTS[2])


def test_lock_of_killed_night_expires(registry):
    acquire_night_lock(registry, "triage", NIGHTS[0])
    let_time_pass(registry, LASTS + timedelta(seconds=1))
    acquire_night_lock(registry, "triage", NIGHTS[1])


def test_silent_night_is_not_waited_for(registry):
    acquire_night_lock(registry, "triage", NIGHTS[0])
    with pytest.raises(NightBusyError):
        acquire_night_lock(registry, "triage", NIGHTS[1])
    let_time_pass(registry, timedelta(hours=1))
    acquire_night_lock(registry, "triage", NIGHTS[2])


def test_lock_of_another_is_not_released(registry):
    acquire_night_lock(registry, "triage", NIGHTS[0])
    release_night_lock(registry, "triage", NIGHTS[1])
    with pytest.raises(NightBusyError):
        acquire_night_lock(registry, "triage", NIGHTS[1])


def test_lock_is_renewed_while_step_runs(registry, monkeypatch):
    monkeypatch.setattr("nightloom.registry.night_lock._RENEWED_S", 0.01)
    with holding_night_lock(registry, "triage", NIGHTS[0]):
        let_time_pass(registry, LASTS)
        while read_expiry(registry) < utc_now().replace(tzinfo=None) + LASTS / 2:
            pass


def read_expiry(registry):
    with registry.transaction() as session:
        return session.query(LeaseRow.expires_at).scalar()


def test_one_of_many_acquires_lock(registry):
    def ask(night):
        try:
            acquire_night_lock(registry, "triage", night)
        except NightBusyError:
            return None
        return night

    with ThreadPoolExecutor(4) as pool:
        first = [night for night in pool.map(ask, NIGHTS * 3) if night]
    assert len(set(first)) == 1
