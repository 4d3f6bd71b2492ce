"""Release: wrongly refused rows come back, whole and once, even outside the source's window."""

from datetime import date

import polars as pl
import pytest
from nightloom.artifacts.frames import LEDGER, QUARANTINE, RECORDS, put_frame
from nightloom.core.errors import InputError
from nightloom.core.nights import NightCut, compute_cut
from nightloom.core.store import ObjectStore
from nightloom.nightly.release import find_released_records, has_new_releases, release_rows
from nightloom.registry.database import Database
from nightloom.registry.nights import record_night

from tests.factories.manifests import make_preparation

VERSION = "2026-11-20T08:00:00.000000+00:00"
LINES = [
    ("T-100", VERSION, "quarantined", "secret", "1", "none", None, None, None, "", "d", None),
    ("T-101", VERSION, "repaired", "pii", None, None, None, "c", "train", "pii,whitespace", "d", "e"),
    ("T-102", VERSION, "quarantined", "empty_text", "0", "1", None, None, None, "", "d", None),
    ("T-103", VERSION, "quarantined", "secret", "1", "none", None, None, None, "", "d", None),
    ("T-104", VERSION, "kept", None, None, None, None, "c", "train", "", "d", "d"),
]
REFUSED = [
    (line[0], VERSION, f"text of {line[0]}", "{}", "en", None, False, None, line[3], line[4], line[5])
    for line in LINES
    if line[2] == "quarantined"
]


def night(day: int, month: int = 11) -> NightCut:
    return compute_cut("triage", date(2026, month, day), "UTC")


@pytest.fixture
def preparation(store: ObjectStore, registry: Database) -> str:
    """The night of 2026-11-23, with three refused rows and one repaired."""
    made = make_preparation(
        ledger=(put_frame(store, pl.DataFrame(LINES, LEDGER, orient="row"), LEDGER),),
        quarantine=(put_frame(store, pl.DataFrame(REFUSED, QUARANTINE, orient="row"), QUARANTINE),),
        rows_in=5,
    )
    record_night(registry, night(23))
    return store.publish(made).id


def release(store: ObjectStore, registry: Database, preparation: str, *rows: str, rule: str | None = None) -> list[str]:
    released = release_rows(store, registry, "triage", preparation, rows, rule=rule, who="eva", why="it is valid")
    return [f"{one.row_id} {one.rule}" for one in released]


def test_rows_are_released_from_their_rule(store: ObjectStore, registry: Database, preparation: str) -> None:
    assert release(store, registry, preparation, "T-100", "T-101") == ["T-100 secret", "T-101 pii"]


def test_rule_releases_all_its_rows(store: ObjectStore, registry: Database, preparation: str) -> None:
    assert release(store, registry, preparation, rule="secret") == ["T-100 secret", "T-103 secret"]
    assert release(store, registry, preparation, rule="whitespace") == ["T-101 whitespace"]


@pytest.mark.parametrize(
    ("rows", "rule", "message"),
    [
        pytest.param(["T-10"], None, "row 'T-10' was not refused .* did you mean .*T-10", id="close"),
        pytest.param(["T-104"], None, "row 'T-104' was not refused or repaired in night 2026-11-23", id="kept"),
        pytest.param(["T-100"], "pii", "row 'T-100' was not refused or repaired by 'pii'", id="other rule"),
        pytest.param(["T-102"], None, "a row decided by empty_text cannot be released: it has no text", id="no text"),
        pytest.param([], "newness", "no row by 'newness'", id="no such rule"),
        pytest.param([], None, "nothing to release", id="nothing"),
    ],
)
def test_impossible_release_is_refused_whole(
    store: ObjectStore, registry: Database, preparation: str, rows: list[str], rule: str | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        release(store, registry, preparation, *rows, rule=rule)
    assert not has_new_releases(registry, "triage", date(2026, 11, 24))


@pytest.mark.parametrize(
    ("of", "rows"),
    [
        pytest.param(night(23), [], id="a night that was opened"),
        pytest.param(night(24), [], id="the source's window still has it"),
        pytest.param(night(28), ["T-100"], id="the window has left it behind"),
        pytest.param(night(1, month=12), [], id="it has been in for as long as a window"),
    ],
)
def test_released_row_outlives_the_window(
    store: ObjectStore, registry: Database, preparation: str, of: NightCut, rows: list[str]
) -> None:
    release(store, registry, preparation, "T-100", "T-101")
    found = find_released_records(store, registry, "triage", night=of, window_days=7)
    assert found["row_id"].to_list() == rows
    assert dict(found.schema) == RECORDS


def test_release_makes_the_night_new(store: ObjectStore, registry: Database, preparation: str) -> None:
    release(store, registry, preparation, "T-100")
    assert has_new_releases(registry, "triage", date(2026, 11, 24))
    assert not has_new_releases(registry, "triage", date(2026, 11, 23))
