"""Workers: each row gets one result, for any number of workers and kills."""

import json
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nightloom.artifacts.predictions import PredictionPlan, Predictions
from nightloom.core.errors import ChildError, InputError, StoreError
from nightloom.core.s3 import Bucket
from nightloom.core.store import ObjectStore
from nightloom.prediction import run
from nightloom.prediction.commit import commit_predictions
from nightloom.prediction.lines import ResultLine, load_lines
from nightloom.prediction.run import predict_shards
from nightloom.registry.leases import take_lease

from tests.conftest import s3_error
from tests.factories.asking import ListeningEngine
from tests.factories.mortal import Killed, MortalS3

BLNS = Path(os.environ.get("NIGHTLOOM_TEST_DATA", "missing")) / "naughty-strings" / "blns.json"
TEXTS = ["billing", "poison", "prose", None, "sales", "the key is AKIAIOSFODNN7EXAMPLE", "refund", "invoice"]
ROW_IDS = ["r000", "r001", "r002", "r003", "r004", "r005", "r006", "r007"]
COUNTS = {"succeeded": 4, "invalid_output": 1, "blocked": 1, "failed": 2, "expired": 0}


def lines_of(store: ObjectStore, predictions: Predictions) -> list[ResultLine]:
    return [line for file in predictions.content.files for line in load_lines(store.get_blob(file))]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kills=st.lists(st.tuples(st.integers(1, 30), st.booleans()), max_size=4))
def test_killed_workers_lose_no_row(
    store, s3, registry, make_plan, open_engine, kills: Sequence[tuple[int, bool]]
) -> None:
    s3.objects.clear()
    plan = make_plan(TEXTS)
    for call, after in kills:
        mortal = ObjectStore(Bucket(MortalS3(s3, call, after=after), "bucket", "prefix/"))
        with suppress(Killed):
            predict_shards(mortal, registry, plan.id, "0", open_engine)
            commit_predictions(mortal, plan.id)
    predict_shards(store, registry, plan.id, "0", open_engine)
    predictions = commit_predictions(store, plan.id)
    assert [line.custom_id for line in lines_of(store, predictions)] == ROW_IDS
    assert predictions.content.counts == COUNTS
    assert predictions.content.rows == 8


def test_second_prediction_gives_same_bytes(store, s3, registry, make_plan, open_engine) -> None:
    files = []
    for worker in ("0", "another"):
        s3.objects.clear()
        plan = make_plan(TEXTS)
        predict_shards(store, registry, plan.id, worker, open_engine)
        files.append(commit_predictions(store, plan.id).content.files)
    assert files[0] == files[1]


def test_finished_plan_opens_no_engine(store, registry, make_plan, open_engine) -> None:
    plan = make_plan(TEXTS)
    assert predict_shards(store, registry, plan.id, "0", open_engine) == 8
    assert predict_shards(store, registry, plan.id, "0", lambda _store, _model: pytest.fail("opened")) == 0


def test_next_night_reuses_cached_answers(store, registry, make_plan, open_engine) -> None:
    plan = make_plan(["billing", "sales"])
    predict_shards(store, registry, plan.id, "0", open_engine)
    next_night = store.publish(PredictionPlan(content=plan.content.model_copy(update={"night": "2026-11-24"})))
    assert predict_shards(store, registry, next_night.id, "0", lambda _store, _model: pytest.fail("opened")) == 2
    lines = [lines_of(store, commit_predictions(store, one.id)) for one in (plan, next_night)]
    assert [line.response.body.choices for line in lines[0]] == [line.response.body.choices for line in lines[1]]


def test_killed_worker_repeats_uncommitted_rows_only(store, s3, registry, make_plan, monkeypatch) -> None:
    monkeypatch.setattr("nightloom.engines.answers._COMMIT_AFTER_S", 0)
    plan = make_plan(["a", "b", "c"])
    engine = ListeningEngine(together=1)
    mortal = ObjectStore(Bucket(MortalS3(s3, 4, after=False, operation="put_object"), "bucket", "prefix/"))
    with pytest.raises(Killed):
        predict_shards(mortal, registry, plan.id, "0", lambda _store, _model: engine)
    predict_shards(store, registry, plan.id, "0", lambda _store, _model: engine)
    assert [message[-1]["content"] for message in engine.heard] == ["a", "b", "b", "c"]
    assert commit_predictions(store, plan.id).content.rows == 3


def test_store_failure_is_no_row_failure(store, s3, registry, make_plan, open_engine, monkeypatch) -> None:
    monkeypatch.setattr("nightloom.engines.answers._COMMIT_AFTER_S", 0)
    plan = make_plan(["a", "b", "c"])

    def refuse(*_: object) -> None:
        msg = "the adapter does not fit"
        raise InputError(msg)

    with pytest.raises(InputError, match="the adapter does not fit"):
        predict_shards(store, registry, plan.id, "0", refuse)
    with monkeypatch.context() as patch:
        patch.setattr(s3, "put_object", lambda **_: raise_error())
        with pytest.raises(StoreError):
            predict_shards(store, registry, plan.id, "0", open_engine)
    predict_shards(store, registry, plan.id, "0", open_engine)
    assert commit_predictions(store, plan.id).content.counts["failed"] == 0


def raise_error() -> None:
    raise s3_error("AccessDenied", 403)  # noqa: EM101  # an S3 code, not a message


def test_two_workers_share_the_shards(store, registry, make_plan, open_engine) -> None:
    plan = make_plan([f"ticket {n}" for n in range(30)])
    done: dict[str, int] = {}

    def work(name: str) -> None:
        done[name] = predict_shards(store, registry, plan.id, name, open_engine)

    workers = [threading.Thread(target=work, args=(name,)) for name in ("0", "1")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sum(done.values()) == 30
    assert commit_predictions(store, plan.id).content.counts["succeeded"] == 30


def test_leased_shard_is_skipped(store, registry, make_plan, open_engine) -> None:
    plan = make_plan(TEXTS)
    take_lease(registry, f"prediction_plan/{plan.id}", ["1"], "other", timedelta(minutes=1))
    assert predict_shards(store, registry, plan.id, "0", open_engine) == 5
    with pytest.raises(ChildError, match=r"1 of 3 shards of plan .* are missing: .* Run the workers again"):
        commit_predictions(store, plan.id)


def test_expired_lease_is_taken_over(store, registry, make_plan, open_engine) -> None:
    plan = make_plan(TEXTS)
    take_lease(registry, f"prediction_plan/{plan.id}", ["1"], "dead", timedelta(seconds=-1))
    assert predict_shards(store, registry, plan.id, "0", open_engine) == 8


def test_empty_plan_gives_empty_predictions(store, registry, make_plan, open_engine) -> None:
    plan = make_plan([])
    assert predict_shards(store, registry, plan.id, "0", open_engine) == 0
    assert commit_predictions(store, plan.id).content.rows == 0


@pytest.mark.skipif(not BLNS.is_file(), reason="NIGHTLOOM_TEST_DATA has no naughty strings")
def test_naughty_texts_get_one_result(store, registry, make_plan, open_engine, recipe) -> None:
    tickets = json.loads(BLNS.read_text(encoding="utf-8"))
    predict = recipe.predict.model_copy(update={"shard_rows": 200})
    plan = make_plan(tickets, recipe.model_copy(update={"predict": predict}))
    predict_shards(store, registry, plan.id, "0", open_engine)
    predictions = commit_predictions(store, plan.id)
    assert [line.custom_id for line in lines_of(store, predictions)] == [f"r{n:03}" for n in range(len(tickets))]
    assert predictions.content.counts["succeeded"] > 450


def test_progress_log_has_no_texts(store, registry, make_plan, open_engine, caplog) -> None:
    caplog.set_level("INFO")
    plan = make_plan(["my iban is DE44500105175407324931", "poison in my tea"])
    predict_shards(store, registry, plan.id, "0", open_engine)
    assert f"plan {plan.id[:12]}: worker 0 finished 2 of 2 rows" in caplog.text
    assert "tea" not in caplog.text
    assert "DE44" not in caplog.text


def test_time_left_is_logged_once_known(make_plan, monkeypatch, caplog) -> None:
    caplog.set_level("INFO")
    progress = run._Progress(make_plan([f"ticket {n}" for n in range(500)]))
    caplog.clear()
    moments = iter([0.0, 30.0, 36.0, 42.0])  # the first rows take as long as loading does
    monkeypatch.setattr(run.time, "monotonic", lambda: next(moments))
    progress.begin()
    for rows in (4, 4, 10):
        progress.add(rows)
    lines = [message.partition(": ")[2] for message in caplog.messages]
    assert lines == ["4 rows done", "8 rows done", "18 rows done, 1.2 rows/s, at most 413 s left"]
