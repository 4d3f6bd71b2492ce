from datetime import date

import pytest
from nightloom.artifacts.blueprints import Blueprint, BlueprintProvenance, BlueprintSpec, EvalSetUse
from nightloom.artifacts.models import ModelRef, TaskSpec
from nightloom.artifacts.results import Parity, ParityCheck
from nightloom.core.errors import InputError
from nightloom.promotion.verdict import decide

CANDIDATE, CHAMPION = "c" * 64, "d" * 64


@pytest.fixture
def make_blueprint(store):
    """Publish a blueprint with these settings of the gate."""

    def make(**gate):
        spec = BlueprintSpec(
            recipe="triage",
            snapshot="5" * 64,
            base="b" * 64,
            task=TaskSpec(prompt="", output="json", answer={"team": None}, field_order=("team",)),
            trials=(),
            primary="team",
            eval_sets=(EvalSetUse(name="held_out", evalset="e" * 64, items=40, minimum_detectable_effect=0.14),),
            max_new_tokens=8,
            code={},
            packages={},
            **{"promote_on": "better", "margin": 0.02, "confidence": 0.95, **gate},
        )
        provenance = BlueprintProvenance(night="2026-11-23", packages={}, python="3.11", machine="x86_64")
        return store.publish(Blueprint(content=spec, provenance=provenance))

    return make


def mark(right, n=40):
    """Return scores with the given number of items, or the given items, right."""
    chosen = range(right) if isinstance(right, int) else right
    return [float(item in chosen) for item in range(n)]


@pytest.fixture
def compare(store, make_blueprint, put_scores):
    """Return the verdict on models by the number of right items of 40, or by the items."""

    def compare(*, adapter=CANDIDATE, clusters=None, gate=None, parity=None, champion_task=None, **right):
        scores = [(role, "held_out", put_scores(role, mark(items), clusters=clusters)) for role, items in right.items()]
        return decide(
            store,
            night=date(2026, 11, 23),
            blueprint_id=make_blueprint(**(gate or {})).id,
            candidate_id=adapter,
            champion_id=CHAMPION if "champion" in right else None,
            champion_task=champion_task,
            parity_id=parity,
            scores=scores,
        )

    return compare


def answer(output="json", **fields):
    return TaskSpec(prompt="p", output=output, answer=fields, field_order=tuple(fields))


DRIFTED = {
    "renamed": (answer(squad=None), "answers squad as JSON, but the recipe asks for team as JSON"),
    "other form": (answer("text", team=None), "answers team as plain text, but the recipe asks for team as JSON"),
    "labels": (answer(team=("a", "b")), "answers team only with 'a', 'b', but the recipe allows any text"),
}


@pytest.mark.parametrize(("task", "drift"), DRIFTED.values(), ids=DRIFTED)
def test_drifted_champion_is_reported_with_its_remedy(compare, task, drift):
    stays = compare(champion_task=task, baseline=0, champion=30, candidate=30).content
    assert stays.reason.endswith(
        f"INCONCLUSIVE, the champion stays; the champion {drift}; "
        f"`nightloom model promote {CANDIDATE[:12]} triage --reason TEXT` replaces it"
    )


@pytest.mark.parametrize(("task", "drift"), DRIFTED.values(), ids=DRIFTED)
def test_replaced_champion_is_reported_without_remedy(compare, task, drift):
    verdict = compare(champion_task=task, baseline=0, champion=0, candidate=36).content
    assert verdict.promote
    assert verdict.reason.endswith(f"the candidate becomes the champion; the champion before it {drift}")


def test_skewed_candidate_is_no_remedy_for_drift(compare, prove):
    models = {"baseline": 0, "champion": 0, "candidate": 36}
    verdict = compare(champion_task=answer(squad=None), parity=prove(False), **models).content
    assert verdict.reason.endswith("nothing is promoted; the champion " + DRIFTED["renamed"][1])


def test_first_champion_must_beat_baseline(compare):
    verdict = compare(baseline=0, candidate=36).content
    assert verdict.promote
    assert verdict.reason == (
        "team 0.900 [0.769, 0.960] n=40 against baseline: +0.900 [+0.734, +0.960]: BETTER, "
        "the candidate becomes the first champion"
    )


def test_no_gain_makes_no_champion(compare):
    verdict = compare(baseline=20, candidate=21).content
    assert (verdict.finding, verdict.promote) == ("INCONCLUSIVE", False)
    assert verdict.reason.endswith("there is still no champion: the first must be BETTER than the baseline")


def test_better_candidate_replaces_the_champion(compare):
    verdict = compare(baseline=0, champion=20, candidate=36).content
    assert (verdict.finding, verdict.promote) == ("BETTER", True)
    assert [(c.against, c.only_candidate, c.only_other) for c in verdict.comparisons] == [
        ("champion", 16, 0),
        ("baseline", 36, 0),
    ]
    assert verdict.deciding_comparison.against == "champion"
    assert (verdict.deciding_metric.name, verdict.deciding_metric.value) == ("team", 0.9)


def test_inconclusive_candidate_leaves_the_champion(compare):
    verdict = compare(baseline=0, champion=range(30), candidate=range(2, 34)).content
    assert (verdict.finding, verdict.promote) == ("INCONCLUSIVE", False)
    assert "against champion: +0.050 [-0.086, +0.192]: INCONCLUSIVE, the champion stays" in verdict.reason


def test_not_worse_needs_the_recipe(compare):
    models = {"baseline": 0, "champion": 30, "candidate": 30}
    assert not compare(gate={"margin": 0.1}, **models).content.promote
    assert compare(gate={"margin": 0.1, "promote_on": "not_worse"}, **models).content.promote


def test_margin_never_admits_worse_candidate(compare):
    gate = {"margin": 0.9, "promote_on": "not_worse"}
    verdict = compare(gate=gate, baseline=0, champion=36, candidate=20).content
    assert (verdict.finding, verdict.promote) == ("WORSE", False)


@pytest.fixture
def prove(store):
    def prove(passed):
        check = ParityCheck(name="merge", passed=passed, value=0, tolerance=0, n=32, message="logits differ by 0.4")
        key = Parity.Key(
            model=ModelRef(base="b" * 64, adapter=CANDIDATE),
            task=TaskSpec(prompt="", output="json", answer={"team": None}, field_order=("team",)),
            max_new_tokens=8,
            snapshot="5" * 64,
            code=str(passed),
            packages={},
        )
        return store.publish(Parity(key=key, result=Parity.Result(checks=(check,), seconds=1))).id

    return prove


def test_skewed_candidate_is_not_promoted(compare, prove):
    assert compare(baseline=0, candidate=36, parity=prove(True)).content.promote
    verdict = compare(baseline=0, candidate=36, parity=prove(False)).content
    assert (verdict.finding, verdict.promote) == ("BETTER", False)
    assert verdict.reason.endswith(": BETTER, but logits differ by 0.4, so nothing is promoted")


def test_worse_candidate_still_reports_skew(compare, prove):
    verdict = compare(baseline=36, candidate=0, parity=prove(False)).content
    assert verdict.reason.endswith(": WORSE, but logits differ by 0.4, so nothing is promoted")


def test_better_candidate_must_beat_baseline(compare):
    gate = {"margin": 0.1, "promote_on": "not_worse"}
    verdict = compare(gate=gate, baseline=30, champion=30, candidate=30).content
    assert not verdict.promote
    assert verdict.reason.endswith("but NOT_WORSE against the baseline, so the champion stays")


def test_champion_is_not_promoted_again(compare):
    gate = {"margin": 0.1, "promote_on": "not_worse"}
    verdict = compare(adapter=CHAMPION, gate=gate, baseline=0, champion=36, candidate=36).content
    assert not verdict.promote
    assert verdict.reason.endswith("the candidate is the same adapter as the champion, which stays")


def test_linear_classifier_decides_nothing(compare):
    verdict = compare(baseline=0, candidate=30, linear_classifier=40).content
    assert [(c.against, c.finding) for c in verdict.comparisons] == [
        ("baseline", "BETTER"),
        ("linear_classifier", "WORSE"),
    ]
    assert verdict.promote


def test_clusters_reduce_certainty(compare):
    models = {"baseline": 10, "candidate": 18}
    alone = compare(**models).content.comparisons[0]
    in_four = compare(clusters=4, **models).content.comparisons[0]
    assert (alone.finding, in_four.finding) == ("BETTER", "INCONCLUSIVE")
    assert in_four.p_value > alone.p_value


def test_missing_scores_are_named(compare):
    with pytest.raises(InputError, match="the baseline has no scores on eval set 'held_out'"):
        compare(candidate=36)


def test_same_scores_give_same_verdict(compare):
    assert compare(baseline=0, candidate=36) == compare(baseline=0, candidate=36)
