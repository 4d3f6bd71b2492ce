"""Releases take effect after the latest night, and the first one is kept."""

from datetime import date

from nightloom.core.nights import compute_cut
from nightloom.registry.database import Database
from nightloom.registry.nights import record_night
from nightloom.registry.releases import list_releases, read_releases, record_releases

MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)


def release(registry: Database, row_id: str, why: str = "it is no secret") -> None:
    record_releases(registry, "triage", [(row_id, "v1", "secret")], preparation_id="a" * 64, who="eva", why=why)


def test_release_starts_after_latest_night(registry: Database) -> None:
    record_night(registry, compute_cut("triage", MONDAY, "UTC"))
    release(registry, "T2")
    release(registry, "T1")
    assert read_releases(registry, "triage", MONDAY).rows() == []
    assert read_releases(registry, "triage", TUESDAY).rows() == [("T1", "v1", "secret"), ("T2", "v1", "secret")]
    assert read_releases(registry, "other", TUESDAY).rows() == []


def test_repeated_release_changes_nothing(registry: Database) -> None:
    record_night(registry, compute_cut("triage", MONDAY, "UTC"))
    release(registry, "T1")
    record_night(registry, compute_cut("triage", TUESDAY, "UTC"))
    release(registry, "T1", why="again")
    (only,) = list_releases(registry, "triage")
    assert (only.from_night, only.why) == (TUESDAY, "it is no secret")
