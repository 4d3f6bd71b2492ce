import pytest
from nightloom.artifacts.frames import OUTPUTS, SCORES, get_frame
from nightloom.artifacts.models import ModelRef
from nightloom.artifacts.results import Scale
from nightloom.core.s3 import Bucket
from nightloom.core.store import ObjectStore
from nightloom.evaluation.scorers import BUILT_IN, ExactMatch, Score
from nightloom.evaluation.scoring import score_model

from tests.factories.asking import ListeningEngine, make_answer
from tests.factories.mortal import Killed, MortalS3

BASELINE = ModelRef(base="b" * 64)


def asked(blueprint):
    return blueprint.content.task, blueprint.content.max_new_tokens


def interrupt(*_):
    raise KeyboardInterrupt


def test_every_field_is_scored(store, make_eval_set, make_blueprint, scripted):
    evalset = make_eval_set([("refund", "billing", None), ("quote", "sales", None), ("invoice", "billing", None)])
    engine = scripted(
        {
            "refund": '{"team": "billing", "urgency": "low"}',
            "quote": '{"team": "billing", "urgency": "low"}',
            "invoice": "billing, I think",
        }
    )
    scores = score_model(store, *asked(make_blueprint(evalset)), BASELINE, evalset.id, lambda _store, _model: engine)
    frame = get_frame(store, scores.result.frame, SCORES)
    assert frame["scorer"].to_list() == ["exact_match/1", "exact_match/1", "exact/1", "valid/1"] * 3
    assert frame["field"].to_list() == ["team", "urgency", None, None] * 3
    assert frame["value"].to_list() == [1, 1, 1, 1, 0, 1, 0, 1, 0, 0, 0, 0]
    assert get_frame(store, scores.result.outputs, OUTPUTS)["output"][2] == "billing, I think"


def test_metrics_are_overall_and_by_slice(store, make_eval_set, make_blueprint, scripted):
    evalset = make_eval_set([("refund", "billing", "seen"), ("quote", "sales", "unseen")])
    right = '{"team": "billing", "urgency": "low"}'
    engine = scripted({"refund": right, "quote": right})
    scores = score_model(store, *asked(make_blueprint(evalset)), BASELINE, evalset.id, lambda _store, _model: engine)
    assert {(m.name, m.slice): (round(m.value * m.n), m.n) for m in scores.result.metrics} == {
        ("team", None): (1, 2),
        ("urgency", None): (2, 2),
        ("exact", None): (1, 2),
        ("valid", None): (2, 2),
        ("team", "seen"): (1, 1),
        ("urgency", "seen"): (1, 1),
        ("exact", "seen"): (1, 1),
        ("valid", "seen"): (1, 1),
        ("team", "unseen"): (0, 1),
        ("urgency", "unseen"): (1, 1),
        ("exact", "unseen"): (0, 1),
        ("valid", "unseen"): (1, 1),
    }


DRIFTED = {
    "another name": (("squad", "urgency"), '{"squad": "billing", "urgency": "low"}'),
    "a field less": (("urgency",), '{"urgency": "low"}'),
    "a field more": (("team", "urgency", "mood"), '{"team": "billing", "urgency": "low", "mood": "calm"}'),
    "no field in common": (("squad",), '{"squad": "billing"}'),
}
"""Fields that an earlier champion answers, and its answer. The eval set asks for team and urgency."""


@pytest.mark.parametrize(("fields", "text"), DRIFTED.values(), ids=DRIFTED)
def test_earlier_champion_is_scored_on_fields_asked_for(store, make_eval_set, make_blueprint, scripted, fields, text):
    evalset = make_eval_set([("refund", "billing", None)])
    task, limit = asked(make_blueprint(evalset))
    earlier = task.model_copy(update={"answer": dict.fromkeys(fields), "field_order": fields})
    engine = scripted({"refund": text})
    scores = score_model(store, earlier, limit, BASELINE, evalset.id, lambda _store, _model: engine)
    has_all = float({"team", "urgency"} <= set(fields))
    assert {metric.name: metric.value for metric in scores.result.metrics} == {
        "team": float("team" in fields),
        "urgency": float("urgency" in fields),
        "exact": has_all,
        "valid": has_all,
    }


def test_answers_that_limit_ended_are_counted(store, make_eval_set, make_blueprint):
    evalset = make_eval_set([("refund", "billing", None), ("quote", "sales", None), ("offer", "sales", None)])
    engine = ListeningEngine(lambda text: make_answer("{}", "stop" if text.endswith("quote") else "length"))
    scores = score_model(store, *asked(make_blueprint(evalset)), BASELINE, evalset.id, lambda *_: engine)
    assert scores.result.cut == 2


def test_unchanged_model_is_scored_once(store, make_eval_set, make_blueprint, scripted):
    evalset = make_eval_set([("refund", "billing", None)])
    engine = scripted({"refund": '{"team": "billing", "urgency": "low"}'})
    first = make_blueprint(evalset, snapshot="1" * 64)
    next_night = make_blueprint(evalset, snapshot="2" * 64)
    for blueprint in (first, next_night):
        score_model(store, *asked(blueprint), BASELINE, evalset.id, lambda _store, _model: engine)
    assert first.id != next_night.id
    assert engine.asked == 1


def test_kill_before_commit_leaves_nothing(store, make_eval_set, make_blueprint, scripted, monkeypatch):
    evalset = make_eval_set([("refund", "billing", None)])
    blueprint = make_blueprint(evalset)
    engine = scripted({"refund": '{"team": "billing", "urgency": "low"}'})
    monkeypatch.setattr("nightloom.core.store.ObjectStore.publish", interrupt)
    with pytest.raises(KeyboardInterrupt):
        score_model(store, *asked(blueprint), BASELINE, evalset.id, lambda _store, _model: engine)
    monkeypatch.undo()
    score_model(store, *asked(blueprint), BASELINE, evalset.id, lambda _store, _model: engine)
    assert engine.asked == 2


def test_second_recipe_reuses_cached_answers(store, make_eval_set, make_blueprint, scripted):
    rows = [("refund", "billing", None), ("quote", "sales", None)]
    ours, theirs = make_eval_set(rows), make_eval_set(rows, name="theirs")
    engine = scripted({"refund": "{}", "quote": "{}"})
    task, limit = asked(make_blueprint(ours))
    other = task.model_copy(update={"field_order": ("urgency", "team")})
    first = score_model(store, task, limit, BASELINE, ours.id, lambda _store, _model: engine)
    second = score_model(store, other, limit, BASELINE, theirs.id, lambda _store, _model: pytest.fail("opened"))
    assert first.id != second.id


def test_killed_scoring_resumes_at_its_item(store, s3, make_eval_set, make_blueprint, scripted, monkeypatch):
    monkeypatch.setattr("nightloom.engines.answers._COMMIT_AFTER_S", 0)
    texts = [f"text {n}" for n in range(6)]
    evalset = make_eval_set([(text, "billing", None) for text in texts])
    task, limit = asked(make_blueprint(evalset))
    engine = ListeningEngine(together=2)
    # Its fourth write: a blob and a manifest of the first batch, a blob of the second.
    mortal = ObjectStore(Bucket(MortalS3(s3, 4, after=False, operation="put_object"), "bucket", "prefix/"))
    with pytest.raises(Killed):
        score_model(mortal, task, limit, BASELINE, evalset.id, lambda _store, _model: engine)
    assert len(engine.asked) == 4
    scores = score_model(store, task, limit, BASELINE, evalset.id, lambda _store, _model: engine)
    assert len(engine.asked) == 4 + 4
    assert get_frame(store, scores.result.outputs, OUTPUTS).height == 6


def test_new_prompt_is_scored_again(store, make_eval_set, make_blueprint, scripted):
    evalset = make_eval_set([("refund", "billing", None)])
    right = '{"team": "billing", "urgency": "low"}'
    engine = scripted({"refund": right, "Team? refund": right})
    for prompt in ("{{ text }}", "Team? {{ text }}"):
        blueprint = make_blueprint(evalset, prompt=prompt)
        score_model(store, *asked(blueprint), BASELINE, evalset.id, lambda _store, _model: engine)
    assert engine.asked == 2


class OutputTokens:
    """How long an answer is."""

    name = "output_tokens"
    version = "1"
    scope = "answer"
    scale = Scale(kind="real", unit="tokens", direction="lower", least=0, most=None)

    def score(self, response, target):
        return Score(response.answer.completion_tokens)


def test_numeric_scorer_adds_its_metric(store, make_eval_set, make_blueprint, scripted, monkeypatch):
    evalset = make_eval_set([("refund", "billing", None), ("quote", "sales", None)])
    engine = scripted({"refund": "billing", "quote": "sales"})
    monkeypatch.setitem(BUILT_IN, "output_tokens", OutputTokens())
    task, length = asked(make_blueprint(evalset))
    names = ("exact_match", "output_tokens")
    scores = score_model(store, task, length, BASELINE, evalset.id, lambda _store, _model: engine, names)
    metrics = {metric.name: metric for metric in scores.result.metrics}
    assert scores.key.scorers == ("exact_match/1", "output_tokens/1")
    assert (metrics["output_tokens"].value, metrics["output_tokens"].scale.unit) == (1.0, "tokens")
    assert metrics["team"].value == 0.0


def test_new_scorer_version_reuses_answers(store, make_eval_set, make_blueprint, scripted, monkeypatch):
    evalset = make_eval_set([("refund", "billing", None)])
    blueprint = make_blueprint(evalset)
    engine = scripted({"refund": '{"team": "billing", "urgency": "low"}'})
    scores = []
    for version in ("1", "2"):
        monkeypatch.setattr(ExactMatch, "version", version)
        scores.append(score_model(store, *asked(blueprint), BASELINE, evalset.id, lambda _store, _model: engine))
    assert scores[0].id != scores[1].id
    assert engine.asked == 1


def test_request_contains_the_whole_history(store, make_eval_set, make_blueprint):
    history = [{"content": "Hi", "role": "user"}, {"content": "Hello.", "role": "assistant"}]
    evalset = make_eval_set([("refund", "billing", None)], history=history)
    engine = ListeningEngine()
    score_model(store, *asked(make_blueprint(evalset)), BASELINE, evalset.id, lambda _store, _model: engine)
    assert engine.heard == [[*history, {"content": "refund", "role": "user"}]]
