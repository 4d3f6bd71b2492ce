"""Caveats: what is said in the first screen of a comparison that says less than its headline."""

import pytest
from nightloom.artifacts.results import ModelScores, Scale
from nightloom.evaluation.scorers import EXACT_MATCH, Valid
from nightloom.reports.caveats import list_caveats
from nightloom.reports.night import NightManifests
from nightloom.reports.page import render_page
from nightloom.reports.write import gather_report_data

from tests.factories.manifests import make_comparison, make_metric, make_verdict

ERRORS = Scale(kind="real", unit="errors", direction="lower", least=0, most=None)


def score(role, value, *, name="team", scale=EXACT_MATCH, eval_set="gold", n=640):
    metric = make_metric(name=name, scale=scale, value=value, low=None, high=None, n=n, slice=None)
    return ModelScores(role=role, eval_set=eval_set, scores="5" * 64, metrics=(metric,))


def compare(against, finding, *, difference=-0.079, scale=EXACT_MATCH, eval_set="gold"):
    given = {"low": difference - 0.02, "high": difference + 0.02, "difference": difference}
    return make_comparison(
        against=against, finding=finding, eval_set=eval_set, metric="team", scale=scale, n=640, **given
    )


def list_of(*comparisons, scores=()):
    content = make_verdict(comparisons=comparisons, scores=scores, deciding=0 if comparisons else None).content
    return list(list_caveats(content))


def test_better_classifier_is_named_with_advice():
    scores = (score("candidate", 0.831), score("linear_classifier", 0.91))
    (said,) = list_of(compare("baseline", "BETTER"), compare("linear_classifier", "WORSE"), scores=scores)
    assert said == (
        "A linear classifier (TF-IDF and logistic regression) does better than the candidate on the same items: team "
        "91.0% [?, ?] against 83.1% [?, ?], a difference of -7.9 points [-9.9, -5.9]. It trains in seconds: if team is "
        "all you need, use it. Otherwise give the candidate more rows, more training or a larger base model before you "
        "rely on it."
    )


def test_better_classifier_counts_against_a_champion_too():
    (said,) = list_of(
        compare("champion", "BETTER"), compare("baseline", "BETTER"), compare("linear_classifier", "WORSE")
    )
    assert said.startswith("A linear classifier (TF-IDF and logistic regression) does better than the candidate")


def test_better_may_mean_lower():
    worse = compare("linear_classifier", "WORSE", difference=3.0, scale=ERRORS)
    (said,) = list_of(compare("baseline", "BETTER", scale=ERRORS), worse)
    assert "a difference of +3 errors [+2.98, +3.02]" in said


@pytest.mark.parametrize("finding", ["BETTER", "NOT_WORSE", "INCONCLUSIVE"])
def test_classifier_that_is_not_better_is_not_named(finding):
    assert list_of(compare("baseline", "BETTER"), compare("linear_classifier", finding)) == []


def test_other_eval_sets_have_no_caveat():
    elsewhere = compare("linear_classifier", "WORSE", eval_set="other")
    scores = (score("baseline", 0.0, name="valid", scale=Valid.scale, eval_set="other"),)
    assert list_of(compare("baseline", "BETTER"), elsewhere, scores=scores) == []


BASELINES = {
    "never": (0.0, 640, "The base model alone never answers in the form asked for (0 of 640 items), so to be BETTER"),
    "once": (1 / 640, 640, "The base model alone hardly ever answers in the form asked for (1 of 640 items)"),
    "few items": (0.0, 12, "The base model alone never answers in the form asked for (0 of 12 items)"),
    "at the limit": (0.05, 640, "The base model alone hardly ever answers in the form asked for (32 of 640 items)"),
}


@pytest.mark.parametrize(("valid", "n", "start"), BASELINES.values(), ids=BASELINES)
def test_baseline_without_the_form_is_named(valid, n, start):
    scores = (score("baseline", valid, name="valid", scale=Valid.scale, n=n),)
    (said,) = list_of(compare("baseline", "BETTER"), scores=scores)
    assert said.startswith(start)
    assert said.endswith("says little. For a fair comparison, describe the form in the prompt, with an example.")


@pytest.mark.parametrize("valid", [0.06, 0.5, 1.0, None])
def test_baseline_with_the_form_is_not_named(valid):
    scores = (score("baseline", valid, name="valid", scale=Valid.scale), score("candidate", 0.0, name="valid"))
    assert list_of(compare("baseline", "BETTER"), scores=scores) == []


def test_nothing_compared_has_no_caveat():
    assert list_of() == []


def test_caveats_come_before_the_numbers(nights, night, store, registry, recipe):
    nights.prepare(night)
    verdict = nights.finetune(night).content
    comparisons = tuple(
        one.model_copy(update={"finding": "WORSE"}) if one.against == "linear_classifier" else one
        for one in verdict.comparisons
    )
    poor = verdict.model_copy(update={"comparisons": comparisons})
    nights.end(night, "finetune", "done", "r", store.publish(make_verdict(**dict(poor))).id)
    report = gather_report_data(NightManifests(store, registry, recipe, night, prices={}))
    assert report.headline.startswith("Promoted: ")
    page = render_page(report)
    assert page.index("A linear classifier (TF-IDF") < page.index('<dl class="numbers">')
