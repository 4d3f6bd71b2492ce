"""Conclusions: each kind of night in one sentence, and what to do about it."""

from datetime import timedelta

import pytest
from nightloom.reports.night import NightManifests
from nightloom.reports.write import gather_facts


@pytest.fixture
def tell(store, registry, recipe, night):
    return lambda: gather_facts(NightManifests(store, registry, recipe, night, prices={}))


@pytest.fixture
def champion(nights, night) -> str:
    """A first champion, from the night before."""
    earlier = night - timedelta(days=1)
    nights.prepare(earlier)
    nights.finetune(earlier)
    return nights.champion[:12]


def test_better_candidate_is_promoted(nights, night, champion, tell) -> None:
    nights.prepare(night)
    nights.finetune(night)
    nights.predict(night)
    facts = tell()
    assert facts.conclusion == "promoted"
    assert facts.headline == (
        "Promoted: the candidate is better than the champion (+2.4 points [+0.6, +4.1] in team, 640 items)."
    )
    assert facts.next_steps == ()


@pytest.mark.parametrize(
    ("finding", "phrase"),
    [
        ("INCONCLUSIVE", "the items cannot tell the candidate from the champion (+0.1 points [-3.1, +3.4] in team"),
        ("NOT_WORSE", "the candidate is not worse than the champion, but not shown to be better (+0.9 points"),
        ("WORSE", "the candidate is worse than the champion (-2.8 points [-5.2, -0.4] in team"),
    ],
)
def test_other_findings_leave_the_champion(nights, night, champion, tell, finding: str, phrase: str) -> None:
    nights.prepare(night)
    nights.finetune(night, finding)
    nights.predict(night)
    facts = tell()
    assert facts.conclusion == "not_promoted"
    assert facts.headline.startswith(f"Not promoted: {phrase}")
    assert facts.headline.endswith(f"; champion {champion} goes on working.")


def test_verdict_for_promotion_that_moved_nothing_says_so(nights, night, champion, tell) -> None:
    nights.prepare(night)
    nights.finetune(night, "BETTER", move=False)
    nights.predict(night)
    facts = tell()
    assert facts.conclusion == "not_promoted"
    assert ", but the champion was not changed; champion" in facts.headline
    assert facts.next_steps[0].startswith("Compare again with the present champion")


def test_night_that_is_run_again_is_still_promoted(nights, night, tell) -> None:
    nights.prepare(night)
    nights.finetune(night)
    nights.predict(night)
    nights.champion = None
    nights.finetune(night, "BETTER", move=False, slices=())
    assert tell().conclusion == "promoted"


def test_first_candidate_that_is_refused_leaves_no_champion(nights, night, tell) -> None:
    nights.prepare(night)
    nights.finetune(night, "INCONCLUSIVE")
    nights.end(night, "predict", "nothing_new", "no model has been promoted yet, so nothing is predicted")
    facts = tell()
    assert facts.headline.endswith("; there is no champion yet.")
    assert facts.next_steps[0].startswith("Nothing is predicted until a candidate is BETTER than the base model alone")


@pytest.mark.parametrize("stage", ["prepare", "finetune"])
@pytest.mark.parametrize(
    ("status", "conclusion", "start", "advised"),
    [
        ("nothing_new", "nothing_new", "Nothing new: {stage} found nothing to do; champion", None),
        ("refused", "refused", "Refused: {stage} did not accept what the night brought; champion", "Mend what the"),
        ("failed", "failed", "Failed: {stage} ended with a fault; champion", "Mend what the sentence above names"),
    ],
    ids=["nothing new", "refused", "failed"],
)
def test_stage_that_stopped_decides(nights, night, champion, tell, stage, status, conclusion, start, advised) -> None:
    if stage == "finetune":
        nights.prepare(night)
    nights.end(night, stage, status, "the source did not answer")
    nights.predict(night)
    facts = tell()
    assert (facts.conclusion, facts.detail) == (conclusion, "the source did not answer")
    assert facts.headline.startswith(start.format(stage=stage))
    assert [step.startswith(advised or "") for step in facts.next_steps] == ([True] if advised else [])


def test_killed_stage_is_not_mistaken_for_success(nights, night, champion, tell) -> None:
    nights.prepare(night)
    nights.begin(night, "finetune")
    facts = tell()
    assert facts.conclusion == "unfinished"
    assert facts.headline.startswith("Unfinished: finetune has begun and not said how it ended; champion")
    assert "`nightloom run support_triage --night 2026-11-23`" in facts.next_steps[0]


def test_stage_that_never_began_is_named(nights, night, champion, tell) -> None:
    nights.prepare(night)
    assert tell().headline.startswith("Unfinished: finetune has not begun; champion")


def test_night_that_never_ran_says_how_to_run_it(night, tell) -> None:
    facts = tell()
    assert facts.conclusion == "not_run"
    assert facts.headline == "Not run: nothing of this night has begun; there is no champion yet."
    assert "support_triage__prepare is not paused" in facts.next_steps[0]


@pytest.mark.parametrize(
    ("status", "advised"),
    [
        ("failed", "The batch did not end well (the table is gone): clear support_triage__predict"),
        ("running", "The batch has not said how it ended: clear support_triage__predict"),
        (None, "The batch has not begun: look whether support_triage__predict is paused"),
    ],
    ids=["failed", "killed", "not begun"],
)
def test_batch_that_did_not_end_well_asks_for_a_person(nights, night, champion, tell, status, advised: str) -> None:
    nights.prepare(night)
    nights.finetune(night)
    if status == "running":
        nights.begin(night, "predict")
    elif status:
        nights.end(night, "predict", status, "the table is gone")
    facts = tell()
    assert facts.conclusion == "promoted"
    assert facts.next_steps[0].startswith(advised)


def test_later_nights_are_not_told(nights, night, tell) -> None:
    nights.prepare(night)
    nights.finetune(night, "INCONCLUSIVE")
    before = tell()
    nights.prepare(night + timedelta(days=1))
    nights.finetune(night + timedelta(days=1), "BETTER")
    assert tell() == before
