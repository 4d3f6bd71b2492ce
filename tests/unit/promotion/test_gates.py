import pytest
from nightloom.artifacts.results import Comparison
from nightloom.evaluation.scorers import EXACT_MATCH
from nightloom.promotion.gates import Case, apply_gates, describe_consequence


def compare(against, finding):
    return Comparison(
        against=against,
        eval_set="gold",
        metric="team",
        scorer="exact_match/1",
        scale=EXACT_MATCH,
        n=40,
        clusters=40,
        difference=0.1,
        low=0.0,
        high=0.2,
        p_value=0.05,
        margin=0.02,
        finding=finding,
    )


@pytest.fixture
def ask():
    """Return the names of refusing gates, and the consequence."""

    def ask(deciding, baseline="BETTER", *, champion="d" * 64, candidate="c" * 64, promote_on="better", mismatch=None):
        comparisons = (compare("champion", deciding), compare("baseline", baseline))
        case = Case(candidate, champion, promote_on, comparisons if champion else comparisons[1:], mismatch)
        gates = apply_gates(case)
        return [gate.name for gate in gates if not gate.passed], describe_consequence(case, gates)

    return ask


def test_gates_are_checked_in_order(ask):
    refused, consequence = ask("WORSE", "WORSE", candidate="d" * 64, mismatch="logits differ")
    assert refused == ["parity", "novelty", "primary", "baseline"]
    assert consequence == "but logits differ, so nothing is promoted"


def test_candidate_passes_all_gates(ask):
    assert ask("BETTER") == ([], "the candidate becomes the champion")
    assert ask("BETTER", "BETTER", champion=None) == ([], "the candidate becomes the first champion")


@pytest.mark.parametrize("finding", ["NOT_WORSE", "WORSE", "INCONCLUSIVE"])
def test_first_champion_must_be_better(ask, finding):
    refused, consequence = ask(finding, finding, champion=None, promote_on="not_worse")
    assert refused == ["primary"]
    assert consequence == "there is still no champion: the first must be BETTER than the baseline"


def test_not_worse_is_a_choice(ask):
    assert ask("NOT_WORSE") == (["primary"], "the champion stays")
    assert ask("NOT_WORSE", promote_on="not_worse")[0] == []
    assert ask("INCONCLUSIVE", promote_on="not_worse")[0] == ["primary"]


def test_candidate_must_also_beat_baseline(ask):
    assert ask("BETTER", "INCONCLUSIVE") == (
        ["baseline"],
        "but INCONCLUSIVE against the baseline, so the champion stays",
    )
