"""Headlines: each kind of night in one sentence, with next steps."""

from datetime import timedelta

import pytest
from nightloom.promotion.promote import block
from nightloom.registry.refs import move_ref
from nightloom.reports.night import NightManifests
from nightloom.reports.write import gather_report_data


@pytest.fixture
def gather(store, registry, recipe, night):
    return lambda: gather_report_data(NightManifests(store, registry, recipe, night, prices={}))


@pytest.fixture
def champion(nights, night) -> str:
    """A first champion, from the night before."""
    earlier = night - timedelta(days=1)
    nights.prepare(earlier)
    nights.finetune(earlier)
    return nights.champion[:12]


def test_better_candidate_is_promoted(nights, night, champion, gather) -> None:
    nights.prepare(night)
    nights.finetune(night)
    nights.predict(night)
    report = gather()
    assert report.outcome == "promoted"
    assert report.headline == (
        "Promoted: the candidate is better than the champion (+2.4 points [+0.6, +4.1] in team, 640 items)."
    )
    assert report.next_steps == ()


@pytest.mark.parametrize(
    ("finding", "phrase"),
    [
        ("INCONCLUSIVE", "the comparison with the champion is inconclusive (+0.1 points [-3.1, +3.4] in team"),
        ("NOT_WORSE", "the candidate is not worse than the champion, but not shown to be better (+0.9 points"),
        ("WORSE", "the candidate is worse than the champion (-2.8 points [-5.2, -0.4] in team"),
    ],
)
def test_other_findings_keep_champion(nights, night, champion, gather, finding: str, phrase: str) -> None:
    nights.prepare(night)
    nights.finetune(night, finding)
    nights.predict(night)
    report = gather()
    assert report.outcome == "not_promoted"
    assert report.headline.startswith(f"Not promoted: {phrase}")
    assert report.headline.endswith(f"; champion {champion} stays in use.")


def test_unchanged_champion_is_reported(nights, night, champion, gather) -> None:
    nights.prepare(night)
    nights.finetune(night, "BETTER", move=False)
    nights.predict(night)
    report = gather()
    assert report.outcome == "not_promoted"
    assert ", but the champion was not changed; champion" in report.headline
    assert report.next_steps[0].startswith("Compare again with the current champion. `nightloom model promote ")


@pytest.mark.parametrize(
    ("why", "remedy"),
    [
        ("night 2026-11-23 is not the latest, and only that one moves the champion", None),
        ("ada rolled this adapter back (complaints; again)", None),
        ("blueprint bbbbbbbbbbbb was chosen by hand, so no ref moves", None),
        ("the champion changed after the comparison", "`nightloom run support_triage` compares again"),
    ],
    ids=["not the latest", "rolled back", "stored blueprint", "stale"],
)
def test_blocked_promotion_says_why(nights, night, champion, gather, why: str, remedy: str | None) -> None:
    nights.prepare(night)
    verdict = nights.finetune(night, "BETTER", move=False)
    message = block(verdict, why, remedy).message
    nights.end(night, "finetune", "refused", message, verdict.id)
    nights.predict(night)
    report = gather()
    assert (report.outcome, report.details) == ("not_promoted", message)
    assert report.headline == (
        f"Not promoted: the candidate is better than the champion (+2.4 points [+0.6, +4.1] in team, 640 items), "
        f"but {why}; champion {champion} stays in use."
    )
    by_hand = (
        f"`nightloom model promote {verdict.content.candidate[:12]} support_triage --reason TEXT` promotes it by hand."
    )
    assert report.next_steps == (f"{remedy}. {by_hand}" if remedy else by_hand,)


def test_blocked_first_champion_says_why(nights, night, gather) -> None:
    nights.prepare(night)
    verdict = nights.finetune(night, "BETTER", move=False)
    nights.end(night, "finetune", "refused", block(verdict, "night 2026-11-23 is not the latest").message, verdict.id)
    report = gather()
    assert "better than" in report.headline
    assert report.headline.endswith("but night 2026-11-23 is not the latest; there is no champion yet.")
    assert report.next_steps[0].startswith("`nightloom model promote ")


def test_repeated_night_stays_promoted(nights, night, gather) -> None:
    nights.prepare(night)
    nights.finetune(night)
    nights.predict(night)
    nights.champion = None
    nights.finetune(night, "BETTER", move=False, slices=())
    assert gather().outcome == "promoted"


def test_refused_first_candidate_leaves_no_champion(nights, night, gather) -> None:
    nights.prepare(night)
    nights.finetune(night, "INCONCLUSIVE")
    nights.end(night, "predict", "nothing_new", "no model is promoted yet, so there are no predictions")
    report = gather()
    assert report.headline.endswith("; there is no champion yet.")
    assert report.next_steps[0].startswith("Nothing is predicted until a candidate is BETTER than the base model alone")


@pytest.mark.parametrize("stage", ["prepare", "finetune"])
@pytest.mark.parametrize(
    ("status", "outcome", "start", "step"),
    [
        ("nothing_new", "nothing_new", "Nothing new: {stage} found nothing to do; champion", None),
        ("refused", "refused", "Refused: a check or limit in {stage} stopped the night; champion", "Fix the cause"),
        ("failed", "failed", "Failed: {stage} ended with an error; champion", "Fix the cause shown above"),
    ],
    ids=["nothing new", "refused", "failed"],
)
def test_stopped_stage_decides_outcome(nights, night, champion, gather, stage, status, outcome, start, step) -> None:
    if stage == "finetune":
        nights.prepare(night)
    nights.end(night, stage, status, "the source did not answer")
    nights.predict(night)
    report = gather()
    assert (report.outcome, report.details) == (outcome, "the source did not answer")
    assert report.headline.startswith(start.format(stage=stage))
    assert [each.startswith(step or "") for each in report.next_steps] == ([True] if step else [])


@pytest.fixture
def edited(store, registry, recipe, night):
    """Return the report of the night if the recipe asks for other fields than its champion answers."""

    def gather(**answer):
        task = recipe.task.model_copy(update={"answer": answer})
        changed = recipe.model_copy(update={"task": task})
        return gather_report_data(NightManifests(store, registry, changed, night, prices={}))

    return gather


def test_drifted_champion_is_a_next_step(nights, night, champion, recipe, edited) -> None:
    nights.prepare(night)
    candidate = nights.finetune(night, "INCONCLUSIVE").content.candidate[:12]
    nights.predict(night)
    fields = recipe.task.answer
    assert edited(team=fields["team"], tone=fields["urgency"]).next_steps == (
        f"Champion {champion} answers team, urgency as JSON, but the recipe asks for team, tone as JSON. "
        f"Replace it: `nightloom model promote {candidate} support_triage --reason TEXT`.",
    )
    assert edited(**fields).next_steps == ()


def test_refused_night_reports_drift(nights, night, champion, recipe, edited) -> None:
    nights.end(night, "prepare", "refused", "the source lost a column")
    nights.predict(night)
    steps = edited(team=recipe.task.answer["team"]).next_steps
    assert steps[1].endswith("Replace it: `nightloom model promote ADAPTER support_triage --reason TEXT`.")


def test_unreadable_task_of_champion_is_listed(nights, night, store, registry, recipe, gather) -> None:
    nights.prepare(night)
    moved = {"recipe": nights.recipe, "name": "champion", "expected": None, "value": "a" * 64, "night": night}
    move_ref(registry, **moved, who="ada", why="a test", cites="9" * 64)
    assert gather().unreadable[0].startswith("task of champion aaaaaaaaaaaa: ")


def test_killed_stage_is_unfinished(nights, night, champion, gather) -> None:
    nights.prepare(night)
    nights.begin(night, "finetune")
    report = gather()
    assert report.outcome == "unfinished"
    assert report.headline.startswith("Unfinished: finetune has started and not reported a result; champion")
    assert "`nightloom run support_triage --night 2026-11-23`" in report.next_steps[0]


def test_missing_stage_is_named(nights, night, champion, gather) -> None:
    nights.prepare(night)
    assert gather().headline.startswith("Unfinished: finetune has not started; champion")


def test_missing_night_shows_how_to_run(night, gather) -> None:
    report = gather()
    assert report.outcome == "not_run"
    assert report.headline == "Not run: nothing of this night has started; there is no champion yet."
    assert "support_triage__prepare is not paused" in report.next_steps[0]


@pytest.mark.parametrize(
    ("status", "step"),
    [
        ("failed", "The batch did not succeed (the table is gone): clear support_triage__predict"),
        ("running", "The batch has not reported a result: clear support_triage__predict"),
        (None, "The batch has not started: check whether support_triage__predict is paused"),
    ],
    ids=["failed", "killed", "not started"],
)
def test_unsuccessful_batch_has_next_step(nights, night, champion, gather, status, step: str) -> None:
    nights.prepare(night)
    nights.finetune(night)
    if status == "running":
        nights.begin(night, "predict")
    elif status:
        nights.end(night, "predict", status, "the table is gone")
    report = gather()
    assert report.outcome == "promoted"
    assert report.next_steps[0].startswith(step)


def test_later_nights_change_nothing(nights, night, gather) -> None:
    nights.prepare(night)
    nights.finetune(night, "INCONCLUSIVE")
    before = gather()
    nights.prepare(night + timedelta(days=1))
    nights.finetune(night + timedelta(days=1), "BETTER")
    assert gather() == before
