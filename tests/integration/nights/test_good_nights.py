"""Whole nights without Airflow: what they leave behind, and that running one again changes nothing."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from nightloom.artifacts.predictions import Predictions
from nightloom.artifacts.results import Verdict
from nightloom.core.nights import utc_now
from nightloom.nightly.chain import run_night
from nightloom.registry.database import open_database
from nightloom.registry.nights import StageOutcome
from nightloom.registry.rebuild import rebuild_index
from nightloom.registry.refs import read_log_tail, read_ref
from nightloom.registry.store import open_store
from nightloom.registry.tables import EdgeRow, ManifestRow, MemberRow
from nightloom.snapshots.garbage import collect_garbage
from nightloom.snapshots.inventory import list_named, read_manifests, take_inventory

from .conftest import Installation, PointSettings, back, install, steps_in_this_process

pytestmark = pytest.mark.timeout(300)

Night = dict[str, StageOutcome]


@pytest.fixture(scope="module")
def of_tonight(
    point_settings: PointSettings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Installation, Night]]:
    """An installation after tonight, shared by several tests."""
    with install(point_settings, tmp_path_factory.mktemp("tonight")) as made:
        yield made, run()


@pytest.fixture
def tonight(of_tonight: tuple[Installation, Night]) -> Night:
    """Outcomes of tonight's stages."""
    return of_tonight[1]


def run(night: str | None = None) -> Night:
    return {outcome.stage: outcome for outcome in run_night("triage", night, lambda *_: None)}


def test_night_ends_with_better_champion(tonight: Night) -> None:
    assert {stage: outcome.status for stage, outcome in tonight.items()} == dict.fromkeys(
        ("prepare", "finetune", "predict", "report"), "done"
    )
    verdict = open_store().load(Verdict, str(tonight["finetune"].manifest)).content
    assert (verdict.finding, verdict.promote) == ("BETTER", True)
    assert read_ref(open_database(), "triage", "champion") == verdict.candidate


def test_predictions_are_written_to_table(of_tonight: tuple[Installation, Night]) -> None:
    installation, outcomes = of_tonight
    predictions = open_store().load(Predictions, str(outcomes["predict"].manifest)).content
    assert predictions.rows == 15
    assert sum(predictions.counts.values()) == 15
    with installation.engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM answers WHERE status = 'succeeded'")) == 15


@pytest.mark.usefixtures("tonight")
def test_garbage_collection_reaches_all_results() -> None:
    inventory = take_inventory(open_store())
    there = {one.digest for one in inventory.objects}
    gone: list[str] = []
    decisions = collect_garbage(open_store(), open_database(), now=utc_now() + timedelta(days=3), dry_run=True)
    actions = {one.name: one.action for one in decisions}
    for name, manifest in read_manifests(open_store(), inventory.list_manifests()):
        digests = set(re.findall(r'"([0-9a-f]{64})"', manifest.model_dump_json()))
        named = {one.digest for one in list_named(open_store(), manifest)}
        # The outcome of a stage names its results, and keeps nothing alive.
        assert manifest.kind == "stage" or (digests & there) - named - {name.digest} == set(), name
        gone += [manifest.kind] if actions[name] != "kept" else []
    # What was read of eval sets and of the rows to predict has become eval sets and shards.
    assert set(gone) == {"records"}


@pytest.mark.usefixtures("tonight")
def test_index_is_rebuilt_from_the_store() -> None:
    database, before = open_database(), dump_index()
    assert [bool(table) for table in before] == [True, True, True]
    with database.transaction() as session:
        for table in (ManifestRow, EdgeRow, MemberRow):
            session.execute(sa.delete(table))
    rebuild_index(open_store(), database)
    assert dump_index() == before


def dump_index() -> list[list[tuple[object, ...]]]:
    """Return the index without its times."""
    columns = (
        (ManifestRow.manifest, ManifestRow.kind),
        (EdgeRow.parent_kind, EdgeRow.parent, EdgeRow.child_kind, EdgeRow.child, EdgeRow.part, EdgeRow.path),
        (MemberRow.recipe, MemberRow.night, MemberRow.kind, MemberRow.manifest),
    )
    with open_database().reading() as session:
        return [sorted(tuple(row) for row in session.execute(sa.select(*each))) for each in columns]


def test_second_run_changes_nothing(of_tonight: tuple[Installation, Night]) -> None:
    installation, first = of_tonight
    installation.add_tickets(30, days_ago=0)  # written after the cut
    second = run()
    assert {stage: outcome.manifest for stage, outcome in second.items()} == {
        stage: outcome.manifest for stage, outcome in first.items()
    }
    assert len(read_log_tail(open_database())) == 2  # latest and champion, once each


@pytest.mark.usefixtures("tonight")
def test_older_night_moves_no_ref() -> None:
    champion = read_ref(open_database(), "triage", "champion")
    with steps_in_this_process():
        older = run(back(1))
    assert older["finetune"].status == "refused"
    assert older["finetune"].message.startswith("the candidate is BETTER, but not promoted, since night ")
    assert read_ref(open_database(), "triage", "champion") == champion


@pytest.mark.usefixtures("installation")
def test_night_compares_with_previous_champion() -> None:
    with steps_in_this_process():
        first = run(back(1))
        second = run()
    verdicts = [open_store().load(Verdict, str(night["finetune"].manifest)).content for night in (first, second)]
    assert verdicts[1].champion == verdicts[0].candidate
