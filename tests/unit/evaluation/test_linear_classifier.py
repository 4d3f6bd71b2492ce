import pytest
from nightloom.artifacts.frames import OUTPUTS, get_frame
from nightloom.core.errors import InputError
from nightloom.evaluation.linear_classifier import classify, score_linear_classifier

TICKETS = [("please refund my invoice", "billing"), ("I want a quote for ten seats", "sales")] * 3


def test_classifier_learns_the_primary_field(store, make_eval_set, make_snapshot, make_blueprint):
    evalset = make_eval_set([("refund this invoice", "billing", None), ("a quote for two seats", "sales", None)])
    blueprint = make_blueprint(evalset, snapshot=make_snapshot(TICKETS).id)
    scores = score_linear_classifier(store, blueprint.id, evalset.id)
    assert get_frame(store, scores.result.outputs, OUTPUTS)["output"].to_list() == ["billing", "sales"]
    assert [(m.name, m.value, m.n) for m in scores.result.metrics] == [("team", 1.0, 2)]


def test_classifier_scores_are_cached(store, make_eval_set, make_snapshot, make_blueprint):
    evalset = make_eval_set([("refund", "billing", None)])
    blueprint = make_blueprint(evalset, snapshot=make_snapshot(TICKETS).id)
    assert score_linear_classifier(store, blueprint.id, evalset.id) == score_linear_classifier(
        store, blueprint.id, evalset.id
    )


def test_single_label_is_always_predicted():
    assert classify(["refund", "invoice"], ["billing", "billing"], ["quote"]) == ["billing"]


def test_texts_of_single_letters_are_classified():
    assert classify(["? ?", "! !"] * 2, ["a", "b"] * 2, ["?"]) == ["a"]


def test_empty_snapshot_is_refused(store, make_eval_set, make_snapshot, make_blueprint):
    evalset = make_eval_set([("refund", "billing", None)])
    blueprint = make_blueprint(evalset, snapshot=make_snapshot([]).id)
    with pytest.raises(InputError, match="no rows to train on"):
        score_linear_classifier(store, blueprint.id, evalset.id)


def test_classifier_reads_the_history(store, make_eval_set, make_snapshot, make_blueprint):
    history = [{"content": "I want a quote for ten seats", "role": "user"}, {"content": "Sure.", "role": "assistant"}]
    evalset = make_eval_set([("please", "sales", None)], history=history)
    blueprint = make_blueprint(evalset, snapshot=make_snapshot(TICKETS).id)
    scores = score_linear_classifier(store, blueprint.id, evalset.id)
    assert get_frame(store, scores.result.outputs, OUTPUTS)["output"].to_list() == ["sales"]
