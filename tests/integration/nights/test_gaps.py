"""Nights that were skipped, missed, refused or failed: the next one predicts their rows, each exactly once."""

import pytest
import sqlalchemy as sa
from nightloom.core.nights import parse_night
from nightloom.nightly.chain import run_night
from nightloom.nightly.prepare import record_missed_night
from nightloom.registry.cuts import read_cut
from nightloom.registry.database import open_database
from nightloom.registry.nights import StageOutcome

from .conftest import Installation, PointSettings, back, harmed, install

pytestmark = pytest.mark.usefixtures("children_in_this_process")

OPEN = "WHERE team IS NULL AND updated_at < :cut_to"
CUT = "WHERE team IS NULL AND updated_at >= :cut_from AND updated_at < :cut_to"


@pytest.fixture
def with_open_rows(installation: Installation) -> Installation:
    """An installation with two open rows of each of nine days, and a query that reads the cut."""
    installation.change_recipe(OPEN, CUT)
    installation.execute("DELETE FROM tickets WHERE team IS NULL")
    for days in range(1, 10):
        installation.add_tickets(2, days_ago=days, answered=False, first=700)
        installation.add_tickets(6, days_ago=days, first=800)
    return installation


TAKEN = (
    "night {night} has read the rows of this night: `nightloom night show triage --night {night}` shows its result, "
    "and `nightloom run triage --night {night}` makes it again"
)


def run(night: str) -> dict[str, StageOutcome]:
    return {outcome.stage: outcome for outcome in run_night("triage", night, lambda *_: None)}


def predicted(installation: Installation) -> list[tuple[str, str]]:
    """Return night and row id of each prediction that is in the table."""
    with installation.engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT night, row_id FROM answers ORDER BY row_id"))
        return [(str(night), row_id) for night, row_id in rows]


def days_of(night: str, stage: str = "predict") -> tuple[str, str]:
    cut = read_cut(open_database(), "triage", stage, parse_night(night))  # type: ignore[arg-type]
    assert cut is not None
    return cut.cut_from.date().isoformat(), cut.cut_to.date().isoformat()


def test_every_open_row_is_predicted_once(with_open_rows: Installation) -> None:
    assert run(back(8))["predict"].status == "done"
    with harmed(with_open_rows, "source is down"):
        assert run(back(7))["predict"].status == "failed"
    record_missed_night("triage", back(6))
    assert run(back(5))["predict"].status == "done"
    with harmed(with_open_rows, "wrong column"):
        assert run(back(4))["predict"].status == "refused"
    late = run(back(6))["predict"]
    assert (late.status, late.message) == ("nothing_new", TAKEN.format(night=back(5)))
    assert run(back(2))["predict"].status == "done"
    assert run(back(5))["predict"].status == "done"
    assert run(back(0))["predict"].status == "done"
    rows = [row_id for _, row_id in predicted(with_open_rows)]
    assert rows == sorted(f"{days}-{number}" for days in range(1, 10) for number in (700, 701))
    nights = {night for night, row_id in predicted(with_open_rows) if row_id.startswith(("6-", "7-", "8-"))}
    assert nights == {back(5)}


WINDOW = "WHERE team IS NOT NULL AND updated_at < :cut_to"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("WHERE team IS NOT NULL AND updated_at >= :cut_from AND updated_at < :cut_to", "nothing_new"),
        (WINDOW, "done"),
    ],
    ids=["by the cut", "by the window"],
)
def test_prepare_names_the_night_that_took_its_rows(with_open_rows: Installation, query: str, status: str) -> None:
    with_open_rows.change_recipe(WINDOW, query)
    run(back(8))
    run(back(3))
    late = run(back(5))
    assert late["prepare"].status == status
    assert late["prepare"].message.endswith(TAKEN.format(night=back(3)))
    assert late["predict"].message == TAKEN.format(night=back(3))
    assert run(back(2))["prepare"].status == "done"


def test_refused_prepare_does_not_move_its_cut(with_open_rows: Installation) -> None:
    run(back(5))
    with harmed(with_open_rows, "too few rows"):
        outcomes = run(back(3))
    assert (outcomes["prepare"].status, outcomes["predict"].status) == ("refused", "done")
    assert run(back(2))["prepare"].status == "done"
    assert days_of(back(2), "prepare") == (back(5), back(2))
    assert days_of(back(2)) == (back(3), back(2))


def test_rows_wait_for_the_first_champion(with_open_rows: Installation) -> None:
    with harmed(with_open_rows, "too few rows"):
        assert run(back(6))["predict"].message == "no model is promoted yet, so there are no predictions"
    run(back(3))
    assert [row_id[0] for _, row_id in predicted(with_open_rows)] == ["4", "4", "5", "5", "6", "6", "7", "7"]


@pytest.fixture(scope="module")
def two_histories(
    point_settings: PointSettings, tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, dict[str, str | None]]]:
    """Manifests by night and stage: of nights in turn, and of the same nights with refused tries between them."""
    histories = []
    for disturbed in (False, True):
        with install(point_settings, tmp_path_factory.mktemp("history")) as made:
            for days in (6, 5, 4):
                made.add_tickets(30, days_ago=days)
            nights = {}
            for days in (5, 4, 3):
                if disturbed:
                    with harmed(made, "too few rows"):
                        run(back(days))
                nights[back(days)] = {stage: outcome.manifest for stage, outcome in run(back(days)).items()}
            histories.append(nights)
    return histories


def test_refused_tries_change_no_result(two_histories: list[dict[str, dict[str, str | None]]]) -> None:
    in_turn, disturbed = two_histories
    for night, manifests in in_turn.items():
        for stage in ("prepare", "finetune", "predict"):
            assert disturbed[night][stage] == manifests[stage], (night, stage)
