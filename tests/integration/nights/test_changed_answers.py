"""A recipe whose answer has other fields than its champion: the night compares them, and goes to its end."""

from collections.abc import Iterator

import pytest
from nightloom.artifacts.results import Verdict
from nightloom.core.nights import parse_night
from nightloom.nightly.chain import run_night
from nightloom.registry.database import open_database
from nightloom.registry.nights import read_outcome
from nightloom.registry.refs import read_ref
from nightloom.registry.store import open_store

from .conftest import Installation, PointSettings, back, install

ANSWER = "    team: {column: team, one_of: [billing, shipping, account]}\n  primary: team\n"
SPARE = "    spare: {column: id}\n"

CHANGES = {
    "another name": (ANSWER, ANSWER.replace("team:", "squad:").replace(": team\n", ": squad\n"), "squad"),
    "one more": (ANSWER, ANSWER.replace("  primary", f"{SPARE}  primary"), "team"),
    "one more, which decides": (ANSWER, ANSWER.replace("  primary: team", f"{SPARE}  primary: spare"), "spare"),
    "one less": (ANSWER.replace("  primary", f"{SPARE}  primary"), ANSWER, "team"),
}


@pytest.fixture(params=CHANGES.values(), ids=CHANGES)
def changed(
    request: pytest.FixtureRequest,
    point_settings: PointSettings,
    tmp_path_factory: pytest.TempPathFactory,
    children_in_this_process: None,
) -> Iterator[tuple[Installation, str]]:
    """An installation with a champion, whose recipe then asks for other fields; and the field that decides."""
    before, after, primary = request.param
    with install(point_settings, tmp_path_factory.mktemp("changed")) as made:
        made.change_recipe("  table: answers\n", "")
        made.change_recipe("  connection: tickets\n  shard_rows", "  shard_rows")
        made.change_recipe(ANSWER, before)
        run_night("triage", back(1), lambda *_: None)
        made.change_recipe(before, after)
        yield made, primary


def test_night_compares_changed_answers(changed: tuple[Installation, str]) -> None:
    champion = read_ref(open_database(), "triage", "champion")
    assert champion is not None
    run_night("triage", back(0), lambda *_: None)
    outcomes = {
        stage: read_outcome(open_database(), "triage", parse_night(back(0)), stage)
        for stage in ("prepare", "finetune", "predict", "report")
    }
    assert {stage: outcome.status for stage, outcome in outcomes.items() if outcome} == dict.fromkeys(outcomes, "done")
    verdict = open_store().load(Verdict, str(outcomes["finetune"].manifest)).content  # type: ignore[union-attr]
    assert verdict.champion == champion
    assert {metric.name for one in verdict.scores if one.role == "champion" for metric in one.metrics} == {
        metric.name for one in verdict.scores if one.role == "candidate" for metric in one.metrics
    }
    assert verdict.deciding_comparison is not None
    assert verdict.deciding_comparison.metric == changed[1]
