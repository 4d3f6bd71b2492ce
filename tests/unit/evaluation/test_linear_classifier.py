import pytest
from nightloom.artifacts.frames import OUTPUTS, get_frame
from nightloom.core.errors import InputError
from nightloom.evaluation.linear_classifier import classify, score_linear_classifier

TICKETS = [("please refund my invoice", "billing"), ("I want a quote for ten seats", "sales")] * 3


def test_the_linear_classifier_learns_the_primary_field(store, make_eval_set, make_snapshot, make_blueprint):
    evalset = make_eval_set([("refund this invoice", "billing", None), ("a quote for two seats", "sales", None)])
    blueprint = make_blueprint(evalset, snapshot=make_snapshot(TICKETS).id)
    scores = score_linear_classifier(store, blueprint.id, evalset.id)
    assert get_frame(store, scores.result.outputs, OUTPUTS)["output"].to_list() == ["billing", "sales"]
    assert [(m.name, m.value, m.n) for m in scores.result.metrics] == [("team", 1.0, 2)]


def test_the_linear_classifier_of_an_unchanged_snapshot_is_kept(store, make_eval_set, make_snapshot, make_blueprint):
    evalset = make_eval_set([("refund", "billing", None)])
    blueprint = make_blueprint(evalset, snapshot=make_snapshot(TICKETS).id)
    assert score_linear_classifier(store, blueprint.id, evalset.id) == score_linear_classifier(
        store, blueprint.id, evalset.id
    )


def test_one_label_is_the_answer_to_all():
    assert classify(["refund", "invoice"], ["billing", "billing"], ["quote"]) == ["billing"]


def test_texts_without_a_word_of_two_letters_are_classified():
    assert classify(["? ?", "! !"] * 2, ["a", "b"] * 2, ["?"]) == ["a"]


def test_an_empty_snapshot_is_refused(store, make_eval_set, make_snapshot, make_blueprint):
    evalset = make_eval_set([("refund", "billing", None)])
    blueprint = make_blueprint(evalset, snapshot=make_snapshot([]).id)
    with pytest.raises(InputError, match="no row to train on"):
        score_linear_classifier(store, blueprint.id, evalset.id)


def test_the_linear_classifier_reads_what_was_said_before(store, make_eval_set, make_snapshot, make_blueprint):
    history = [{"content": "I want a quote for ten seats", "role": "user"}, {"content": "Sure.", "role": "assistant"}]
    evalset = make_eval_set([("please", "sales", None)], history=history)
    blueprint = make_blueprint(evalset, snapshot=make_snapshot(TICKETS).id)
    scores = score_linear_classifier(store, blueprint.id, evalset.id)
    assert get_frame(store, scores.result.outputs, OUTPUTS)["output"].to_list() == ["sales"]
