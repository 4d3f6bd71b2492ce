"""Nights beyond the recipe's limits are refused, with the reason in the report."""

from collections.abc import Iterator

import pytest
from markupsafe import escape
from nightloom.artifacts.data import Curated, Preparation
from nightloom.artifacts.results import Report
from nightloom.nightly.chain import run_night, run_stage
from nightloom.nightly.prepare import open_night
from nightloom.registry.database import open_database
from nightloom.registry.nights import StageOutcome
from nightloom.registry.refs import read_ref
from nightloom.registry.store import open_store

from .conftest import Installation, PointSettings, back, harmed, install

pytestmark = pytest.mark.usefixtures("children_in_this_process")


def run(night: str) -> dict[str, StageOutcome]:
    return {outcome.stage: outcome for outcome in run_night("triage", night, lambda *_: None)}


@pytest.fixture(scope="module")
def usual_installation(
    point_settings: PointSettings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """An installation with three ordinary nights."""
    with install(point_settings, tmp_path_factory.mktemp("usual")) as made:
        for days_ago in (6, 5, 4):
            made.add_tickets(30, days_ago=days_ago)
        for days_ago in (5, 4, 3):
            open_night("triage", back(days_ago))
            run_stage("triage", back(days_ago), "prepare", lambda *_: None)
        yield made


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        ("ten times the rows", "720 rows were received, 12 times the median of the last 3 nights (60); "),
        ("one label for all", "the distribution of the labels of 'team' differs from the last snapshot, by 0.66"),
        ("stale rows", "23 hours before the end of the night's cut; prepare.limits.freshness_hours requires at most 6"),
    ],
    ids=["volume", "drift", "freshness"],
)
def test_night_beyond_limits_is_refused(usual_installation: Installation, harm: str, message: str) -> None:
    latest = read_ref(open_database(), "triage", "latest")
    with harmed(usual_installation, harm):
        outcomes = run(back(2))
    assert outcomes["prepare"].status == "refused"
    assert message in outcomes["prepare"].message
    assert read_ref(open_database(), "triage", "latest") == latest
    store = open_store()
    page = store.get_blob(store.load(Report, str(outcomes["report"].manifest)).provenance.html).decode()
    assert "Refused: a check or limit in prepare stopped the night" in page
    assert escape(message) in page


def test_night_within_limits_is_done(usual_installation: Installation) -> None:
    outcomes = run(back(2))
    assert outcomes["prepare"].status == "done"
    preparation = open_store().load(Preparation, str(outcomes["prepare"].manifest)).content
    assert {one.name: one.measured for one in preparation.expectations if one.limit and "earlier" in one.name} == {
        "expect_volume_to_resemble_earlier_nights": 2.0
    }
    assert sum(preparation.labels["team"].values()) == sum(preparation.text_lengths.values()) > 0
    docs = open_store().load(Curated, preparation.curated).provenance.docs
    assert b"<h2>Suite records_batch</h2>" in open_store().get_blob(str(docs))
