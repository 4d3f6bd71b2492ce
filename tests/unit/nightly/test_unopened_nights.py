"""A night that was never opened or has not come is refused by every step before anything is written."""

from datetime import date, timedelta
from importlib import import_module
from typing import Any

import pytest
import sqlalchemy as sa
from nightloom.core.errors import InputError
from nightloom.core.nights import utc_now
from nightloom.core.stages import STAGES, STEPS, Stage, Step
from nightloom.nightly import prepare
from nightloom.nightly.chain import run_night
from nightloom.registry.database import Database
from nightloom.registry.tables import Base

from tests.factories.nights import PreparedNight

NEVER = (date(2026, 11, 1), date(2027, 12, 31))
_STEPS = [(stage, step) for stage in STAGES for step in STEPS[stage] if step.name != "open_night"]


def dump(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    with database.reading() as session:
        return {t.name: [tuple(row) for row in session.execute(sa.select(t))] for t in Base.metadata.sorted_tables}


@pytest.mark.parametrize("night", NEVER, ids=["never opened", "has not come"])
@pytest.mark.parametrize(("stage", "step"), _STEPS, ids=[step.name for _, step in _STEPS])
def test_step_refuses_an_unopened_night(prepared: PreparedNight, stage: Stage, step: Step, night: date) -> None:
    before, blobs = dump(prepared.registry), list(prepared.store.bucket.list_objects(""))
    function = getattr(import_module(f"nightloom.nightly.{stage}"), step.name)
    with pytest.raises(InputError, match=f"night {night} of triage was never opened; .*`nightloom night list triage`"):
        function("triage", night.isoformat(), **dict.fromkeys(step.parameters))
    assert dump(prepared.registry) == before
    assert list(prepared.store.bucket.list_objects("")) == blobs


@pytest.mark.parametrize("days", [1, 2, 400])
def test_night_to_come_is_not_run(prepared: PreparedNight, days: int) -> None:
    before, night = dump(prepared.registry), (utc_now().date() + timedelta(days=days)).isoformat()
    with pytest.raises(InputError, match=f"night {night} is in the future in UTC"):
        run_night("triage", night, lambda *_: None)
    assert dump(prepared.registry) == before


def test_missed_night_has_a_report(prepared: PreparedNight) -> None:
    from nightloom.nightly.report import write_report
    from nightloom.registry.nights import find_latest_night, is_latest_night

    prepare.record_missed_night("triage", "2026-11-24")
    assert write_report("triage", "2026-11-24")
    page = (prepared.folder / "var" / "reports" / "triage" / "2026-11-24.html").read_text(encoding="utf-8")
    assert "Not run: nothing of this night has started" in page
    assert find_latest_night(prepared.registry, "triage") == date(2026, 11, 24)
    assert is_latest_night(prepared.registry, "triage", prepared.night)


def test_missed_night_that_began_is_left_alone(prepared: PreparedNight) -> None:
    before = dump(prepared.registry)
    prepare.record_missed_night("triage", prepared.night.isoformat())
    assert dump(prepared.registry) == before
