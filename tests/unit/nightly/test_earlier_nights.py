"""Earlier nights, read from the registry and the store as the nights left them."""

from datetime import date

import pytest
from nightloom.artifacts.data import Preparation, Records, RecordsContent
from nightloom.core.manifests import manifest_key
from nightloom.core.store import ObjectStore
from nightloom.nightly.earlier_nights import read_earlier_nights
from nightloom.recipes.limits import Limits, Volume
from nightloom.registry.database import Database
from nightloom.registry.nights import end_stage
from nightloom.validation.limits import FIRST_NIGHT

from tests.factories.manifests import make_preparation

LABELS = {"team": {"billing": 3, "sales": 5}}


def prepare(store: ObjectStore, registry: Database, day: int, rows: int, new_rows: int) -> Preparation:
    records = store.publish(Records(content=RecordsContent(rows=rows, new_rows=new_rows, parts=(f"{day}",))))
    made = store.publish(
        make_preparation(
            night=f"2026-11-{day}", records=records.id, rows_in=rows, labels=LABELS, text_lengths={"00000016": day}
        )
    )
    end_stage(registry, "triage", date(2026, 11, day), "prepare", "done", "done", made.id)
    return made


def test_first_night_has_no_history(store: ObjectStore, registry: Database) -> None:
    assert read_earlier_nights(store, registry, "triage", date(2026, 11, 23), Limits()) == FIRST_NIGHT


def test_finished_nights_come_newest_first(store: ObjectStore, registry: Database) -> None:
    for day in (17, 18, 19, 20, 22, 23, 24):
        prepare(store, registry, day, rows=day * 100, new_rows=day)
    end_stage(registry, "triage", date(2026, 11, 21), "prepare", "refused", "too few rows")
    limits = Limits(volume=Volume(nights=4))
    earlier = read_earlier_nights(store, registry, "triage", date(2026, 11, 23), limits)
    assert earlier.rows == (2200, 2000, 1900, 1800)
    assert earlier.new_rows == (22, 20, 19, 18)
    assert (earlier.labels, earlier.text_lengths) == (LABELS, {"00000016": 22})


def test_other_recipes_are_ignored(store: ObjectStore, registry: Database) -> None:
    prepare(store, registry, 22, rows=100, new_rows=5)
    assert read_earlier_nights(store, registry, "routing", date(2026, 11, 23), Limits()) == FIRST_NIGHT


@pytest.mark.parametrize("kind", ["preparation", "records"])
def test_deleted_night_is_ignored(store: ObjectStore, registry: Database, kind: str) -> None:
    made = prepare(store, registry, 22, rows=100, new_rows=5)
    manifest = made.id if kind == "preparation" else made.content.records
    store.bucket.delete(manifest_key(kind, manifest))
    earlier = read_earlier_nights(store, registry, "triage", date(2026, 11, 23), Limits())
    assert (earlier.rows, earlier.new_rows) == (() if kind == "preparation" else (100,), ())
