"""Nights: dates in a time zone, and cuts that follow its clock changes."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nightloom.core.errors import InputError
from nightloom.core.nights import compute_cut, night_of, parse_night

ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Pacific/Auckland", "Asia/Kolkata"])


def test_cut_is_day_before_night() -> None:
    night = compute_cut("triage", date(2026, 11, 23), "UTC")
    assert (night.cut_from, night.cut_to) == (
        datetime(2026, 11, 22, tzinfo=UTC),
        datetime(2026, 11, 23, tzinfo=UTC),
    )


def test_cut_spans_25_hour_day() -> None:
    night = compute_cut("triage", date(2026, 10, 26), "Europe/Berlin")
    assert (night.cut_to - night.cut_from).total_seconds() == 25 * 3600


@given(st.dates(date(2020, 1, 2), date(2035, 1, 1)), ZONES)
def test_consecutive_cuts_meet(day: date, zone: str) -> None:
    following = compute_cut("triage", date.fromordinal(day.toordinal() + 1), zone)
    assert compute_cut("triage", day, zone).cut_to == following.cut_from


def test_night_is_date_in_time_zone() -> None:
    assert night_of(datetime(2026, 11, 22, 23, 30, tzinfo=UTC), "Europe/Berlin") == date(2026, 11, 23)


def test_invalid_date_is_refused() -> None:
    with pytest.raises(InputError, match="'tonight' is not a night; write a date such as 2026-11-23"):
        parse_night("tonight")


@pytest.mark.parametrize("text", ["", " 2026-11-23", "0001-01-01", "1969-12-31", "2026-02-30"])
def test_night_before_all_nights_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not a night; write a date such as"):
        parse_night(text)
