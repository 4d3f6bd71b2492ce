import pytest
from nightloom.artifacts.results import Scale
from nightloom.core.errors import InputError
from nightloom.evaluation.comparing import Criterion, compare_scores, find_metric
from nightloom.evaluation.scorers import ExactMatch


class Seconds:
    """How long an answer took."""

    name = "seconds"
    version = "1"
    scope = "field"
    scale = Scale(kind="real", unit="s", direction="lower", least=0, most=None)


class Overlap:
    """A share of words, say."""

    name = "overlap"
    version = "1"
    scope = "field"
    scale = Scale(kind="real", unit="", direction="higher", least=0, most=1)


@pytest.fixture
def compare(store, put_scores):
    """Compare two models by their values on the same items."""

    def compare(ours, theirs, *, scorer=None, margin=0.02, clusters=None):
        candidate, other = (
            put_scores(name, values, scorer=scorer, clusters=clusters)
            for name, values in (("candidate", ours), ("other", theirs))
        )
        return compare_scores(
            store,
            candidate,
            other,
            Criterion("team", margin, confidence=0.95),
            against="champion",
            eval_set="held_out",
        )

    return compare


def test_right_and_wrong_are_counted(compare):
    comparison = compare([1.0] * 36 + [0.0] * 4, [1.0] * 20 + [0.0] * 20)
    assert (comparison.only_candidate, comparison.only_other, comparison.n) == (16, 0, 40)
    assert (comparison.difference, comparison.low, comparison.high) == (0.4, 0.263483, 0.554041)
    assert (comparison.scorer, comparison.finding) == ("exact_match/1", "BETTER")


def test_real_scores_differ_in_their_unit(compare):
    ours, theirs = [1.0, 1.5, 0.5, 2.0] * 10, [1.4, 2.0, 1.2, 2.2] * 10
    comparison = compare(ours, theirs, scorer=Seconds(), margin=0.1)
    assert (comparison.difference, comparison.low, comparison.high) == (-0.45, -0.508390057, -0.391609943)
    assert (comparison.only_candidate, comparison.scale.unit, comparison.finding) == (None, "s", "BETTER")


def test_slower_candidate_is_worse(compare):
    assert compare([1.4, 2.0, 1.2, 2.2] * 10, [1.0, 1.5, 0.5, 2.0] * 10, scorer=Seconds()).finding == "WORSE"


def test_equal_scores_leave_an_interval(compare):
    comparison = compare([0.5] * 20, [0.5] * 20, scorer=Overlap())
    assert (comparison.low, comparison.high, comparison.finding) == (-0.161125158, 0.161125158, "INCONCLUSIVE")


def test_equal_unbounded_scores_are_inconclusive(compare):
    comparison = compare([0.5] * 20, [0.5] * 20, scorer=Seconds())
    assert (comparison.low, comparison.high, comparison.finding) == (None, None, "INCONCLUSIVE")


def test_one_item_is_inconclusive(compare):
    assert compare([1.0], [0.0]).finding == "INCONCLUSIVE"
    assert compare([1.0], [0.0], scorer=Overlap()).finding == "INCONCLUSIVE"


def test_unscored_item_is_not_wrong(compare):
    comparison = compare([None, 1.0, 1.0, 0.0], [1.0, 1.0, None, 0.0])
    assert (comparison.n, comparison.unscored, comparison.difference) == (2, 2, 0.0)
    assert (comparison.only_candidate, comparison.only_other) == (0, 0)


def test_models_without_common_score_are_refused(compare):
    with pytest.raises(InputError, match="exact_match/1 scored no item of eval set 'held_out' for both models"):
        compare([None, 1.0], [1.0, None])


def test_scores_of_different_items_are_refused(compare):
    with pytest.raises(InputError, match="on eval set 'held_out' are not of the same items"):
        compare([1.0] * 40, [1.0] * 39)


def test_scores_of_two_versions_are_refused(put_scores, store, monkeypatch):
    candidate, criterion = put_scores("candidate", [1.0, 0.0]), Criterion("team", 0.02, 0.95)
    monkeypatch.setattr(ExactMatch, "version", "2")
    other = put_scores("other", [1.0, 0.0])
    with pytest.raises(InputError, match="team was scored by exact_match/1 and by exact_match/2"):
        compare_scores(store, candidate, other, criterion, against="champion", eval_set="held_out")


def test_missing_metric_is_named(put_scores):
    with pytest.raises(InputError, match="have no metric 'urgency', only team"):
        find_metric(put_scores("candidate", [1.0, 0.0]), "urgency")
