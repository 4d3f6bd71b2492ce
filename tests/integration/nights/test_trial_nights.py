"""Nights of several trials: ranked at a rung, pruned, the winner compared; refused by a budget; run by hand."""

from collections.abc import Iterator

import pytest
from nightloom.artifacts.blueprints import Blueprint, BlueprintSpec
from nightloom.artifacts.results import Verdict
from nightloom.artifacts.training import Ranking, Rung, Trial, identify_trial
from nightloom.core.errors import BudgetError, FaultError, InputError
from nightloom.core.nights import Stop, parse_night
from nightloom.nightly import finetune
from nightloom.nightly.chain import run_night, run_steps
from nightloom.registry.database import open_database
from nightloom.registry.members import list_newest
from nightloom.registry.nights import StageOutcome, begin_stage, read_outcome
from nightloom.registry.refs import read_log_tail
from nightloom.registry.store import open_store
from nightloom.registry.tables import TrialRow

from .conftest import Installation, PointSettings, back, install

pytestmark = pytest.mark.usefixtures("children_in_this_process")

TRIALS = """\
train:
  trainer: dummy
  base: dummy
  trials:
    over: {settings.sample: [0.1, 0.3, 1.0]}
    seeds: [1, 2]
    pruning: {rungs: [0.5], keep: 0.6}
"""


@pytest.fixture(scope="module")
def night(
    children_in_this_process: None, point_settings: PointSettings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Installation, list[str]]]:
    """An installation after a night of six trials, and the steps of its finetune stage."""
    with install(point_settings, tmp_path_factory.mktemp("trials")) as made:
        made.change_recipe("train: {trainer: dummy, base: dummy}\n", TRIALS)
        made.change_recipe("prepare:\n", "prepare:\n  split: {selection: 0.3}\n")
        steps: list[str] = []
        run_night("triage", back(0), lambda stage, step: steps.append(step) if stage == "finetune" else None)
        yield made, steps


def outcome() -> StageOutcome:
    found = read_outcome(open_database(), "triage", parse_night(back(0)), "finetune")
    assert found is not None
    return found


@pytest.fixture
def blueprint(night: object) -> Blueprint:
    (blueprint,) = list_newest(open_database(), "blueprint", "triage")
    return open_store().load(Blueprint, blueprint.manifest)


def find_ranking(blueprint: Blueprint, rung: int) -> Ranking.Result:
    found = open_store().find(Ranking, Ranking.Key(blueprint=blueprint.id, rung=rung))
    assert found is not None
    return found.result


def trials_of(blueprint: BlueprintSpec) -> dict[int, Trial | None]:
    return {n: open_store().find(Trial, identify_trial(blueprint, n)) for n in range(len(blueprint.trials))}


def test_best_configurations_survive_the_rung(night: tuple[Installation, list[str]], blueprint: Blueprint) -> None:
    at_rung, at_end = (find_ranking(blueprint, rung) for rung in (0, 1))
    assert len(at_rung.ranks) == 6
    assert len(at_rung.survivors) == 4  # 0.6 of 3 configurations, rounded up, with both seeds
    assert sorted(each.trial for each in at_end.ranks) == list(at_rung.survivors)
    trials = trials_of(blueprint.content)
    assert [number for number, trial in trials.items() if trial] == list(at_rung.survivors)
    verdict = open_store().load(Verdict, str(outcome().manifest)).content
    (winner,) = at_end.survivors
    assert trials[winner] is not None
    assert verdict.candidate == trials[winner].result.adapter  # type: ignore[union-attr]


def test_steps_equal_those_of_dag(night: tuple[Installation, list[str]], blueprint: Blueprint) -> None:
    survivors = find_ranking(blueprint, 0).survivors
    assert night[1] == [
        "compile_blueprint",
        "list_trials",
        *(f"train_trial {number} to rung 1" for number in range(6)),
        "rank_trials at rung 1",
        *(f"train_trial {number}" for number in survivors),
        "pick_candidate",
        "prove_parity",
        "compare_candidate",
        "promote_candidate",
    ]


def test_repeated_blueprint_moves_no_ref(blueprint: Blueprint) -> None:
    moves, before = read_log_tail(open_database(), "triage"), outcome()
    run_steps("finetune", "triage", back(0), lambda *_: None, given={"stored_id": blueprint.id})
    assert read_log_tail(open_database(), "triage") == moves
    assert outcome().manifest == before.manifest
    assert outcome().message.endswith(f"; blueprint {blueprint.id[:12]} was chosen by hand, so no ref moves")


def test_blueprint_of_another_recipe_is_refused(blueprint: Blueprint) -> None:
    identity = blueprint.content.model_copy(update={"recipe": "other"})
    other = open_store().publish(Blueprint(content=identity, provenance=blueprint.provenance))
    with pytest.raises(InputError, match="is of recipe other; choose one of recipe triage"):
        finetune.compile_blueprint("triage", back(0), other.id)


def test_missing_rungs_are_skipped(blueprint: Blueprint) -> None:
    assert finetune.train_trial("triage", back(0), blueprint.id, 0, rung=1) is None
    assert finetune.rank_trials("triage", back(0), blueprint.id, rung=1) == list(find_ranking(blueprint, 0).survivors)


def test_pruned_trial_is_finished(blueprint: Blueprint) -> None:
    database, trials = open_database(), trials_of(blueprint.content)
    ids = [Trial.id_of(identify_trial(blueprint.content, number)) for number in trials]
    moment = parse_night(back(0))
    with database.transaction() as session:
        for trial in ids:
            line = {"step": 1, "steps": 2, "device": "cpu", "seconds": 1.0, "started_at": moment, "seen_at": moment}
            session.merge(TrialRow(trial=trial, finished_at=None, **line))
    survivors = finetune.rank_trials("triage", back(0), blueprint.id, rung=0)
    with database.transaction() as session:
        rows = [session.get(TrialRow, trial) for trial in ids]
    assert [row is not None and row.finished_at is None for row in rows] == [number in survivors for number in trials]


def test_exceeded_budget_refuses_the_night(blueprint: Blueprint, monkeypatch: pytest.MonkeyPatch) -> None:
    begin_stage(open_database(), "triage", parse_night(back(0)), "finetune")
    what = {0: BudgetError("trial 0 would take more than 2 GPU minutes"), 1: FaultError("the store is gone")}

    def fail(*, trial_no: int, **_: object) -> str:
        raise what[trial_no]

    monkeypatch.setattr(finetune, "on_device", lambda *_, **__: fail)
    assert isinstance(finetune.train_trial("triage", back(0), blueprint.id, 0), Stop)
    with pytest.raises(FaultError, match="the store is gone"):
        finetune.train_trial("triage", back(0), blueprint.id, 1)
    assert (outcome().status, outcome().message) == ("refused", "trial 0 would take more than 2 GPU minutes")


def test_every_trial_records_its_rung(blueprint: Blueprint) -> None:
    rungs = [open_store().find(Rung, Rung.Key(trial=identify_trial(blueprint.content, n), share=0.5)) for n in range(6)]
    ranked = {each.trial: each.held_out for each in find_ranking(blueprint, 0).ranks}
    assert [rung and rung.result.held_out for rung in rungs] == [ranked[n] for n in range(6)]
