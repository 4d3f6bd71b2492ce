"""Kept answers: no call is made twice, also after a kill or with concurrent processes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nightloom.artifacts.answers import Answer, Answers, EngineKey, Request
from nightloom.artifacts.frames import ANSWERS, get_frame
from nightloom.artifacts.models import ModelRef
from nightloom.artifacts.rewriting import rewrite_blob
from nightloom.core.errors import FaultError
from nightloom.core.s3 import Bucket
from nightloom.core.store import ObjectStore
from nightloom.engines.answers import KeptAnswers, Question, answer_all
from nightloom.engines.base import Engine

from tests.factories.asking import ListeningEngine, make_answer, make_request
from tests.factories.mortal import Killed, MortalS3

ENGINE = EngineKey(model=ModelRef(base="b" * 64), code="c" * 64, packages={})
SOURCE = "5" * 64


def echo(text: str) -> Answer:
    return make_answer(text.upper())


def question(row_id: str, text: str) -> Question:
    return Question(row_id, make_request(text))


@pytest.fixture(autouse=True)
def block_with_every_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nightloom.engines.answers._COMMIT_AFTER_S", 0)


def keep(store: ObjectStore, loaded: Engine, engine: EngineKey = ENGINE) -> KeptAnswers:
    return KeptAnswers(store, engine, SOURCE, lambda: loaded)


def texts_of(answers: Sequence[Answer]) -> list[str]:
    return [answer.text for answer in answers]


def list_blocks(store: ObjectStore) -> list[Answers]:
    keys = (Answers.Key(engine=ENGINE, source=SOURCE, number=number) for number in count())
    blocks = []
    while (block := store.find(Answers, next(keys))) is not None:
        blocks.append(block)
    return blocks


def list_lines(store: ObjectStore) -> list[tuple[str, str]]:
    """Row and text of every line of every block."""
    return [
        (row_id, Answer.model_validate_json(answer).text)
        for block in list_blocks(store)
        for row_id, _, answer in get_frame(store, block.result.frame, ANSWERS).iter_rows()
    ]


QUESTIONS = [question("r0", "a"), question("r1", "b"), question("r2", "c")]


def test_cached_answers_open_no_engine(store: ObjectStore) -> None:
    keep(store, ListeningEngine(echo)).answer(QUESTIONS)
    again = KeptAnswers(store, ENGINE, SOURCE, lambda: pytest.fail("opened"))
    assert texts_of(again.answer(QUESTIONS)) == ["A", "B", "C"]


def test_only_new_questions_are_asked(store: ObjectStore) -> None:
    keep(store, ListeningEngine(echo)).answer(QUESTIONS[:2])
    engine = ListeningEngine(echo)
    assert texts_of(keep(store, engine).answer(QUESTIONS)) == ["A", "B", "C"]
    assert engine.asked == [make_request("c")]


def test_each_model_answers_itself(store: ObjectStore) -> None:
    keep(store, ListeningEngine(echo)).answer(QUESTIONS)
    other = ENGINE.model_copy(update={"model": ModelRef(base="b" * 64, adapter="a" * 64)})
    answers = keep(store, ListeningEngine(lambda text: make_answer("?")), engine=other).answer(QUESTIONS)
    assert texts_of(answers) == ["?", "?", "?"]


def test_equal_rows_share_one_call(store: ObjectStore) -> None:
    engine = ListeningEngine(echo)
    assert texts_of(keep(store, engine).answer([question("r0", "a"), question("r1", "a")])) == ["A", "A"]
    assert len(engine.asked) == 1
    assert list_lines(store) == [("r0", "A"), ("r1", "A")]


def test_each_batch_becomes_a_block(store: ObjectStore) -> None:
    keep(store, ListeningEngine(echo, together=2)).answer(QUESTIONS)
    assert [block.result.rows for block in list_blocks(store)] == [2, 1]


def test_block_waits_for_its_time(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nightloom.engines.answers._COMMIT_AFTER_S", 1000)
    kept = keep(store, ListeningEngine(echo, together=1))
    kept.answer(QUESTIONS)
    assert list_blocks(store) == []
    kept.commit()
    assert [block.result.rows for block in list_blocks(store)] == [3]


def test_nothing_new_writes_no_block(store: ObjectStore) -> None:
    for _ in range(2):
        answer_all(store, ModelRef(base="b" * 64), SOURCE, [], lambda: pytest.fail("opened"))
    assert list(store.bucket.list_objects("manifests/answers/")) == []


class HalfEngine:
    """Leaves the last request without an answer."""

    def answer(self, requests: Sequence[Request]) -> Iterator[Mapping[int, Answer]]:
        yield {index: make_answer("") for index in range(len(requests) - 1)}


def test_missing_answer_is_a_fault(store: ObjectStore) -> None:
    with pytest.raises(FaultError, match="left 1 of 3 requests without an answer"):
        keep(store, HalfEngine()).answer(QUESTIONS)


def test_answers_before_failure_are_kept(store: ObjectStore) -> None:
    def fail_at_c(text: str) -> Answer:
        if text == "c":
            raise RuntimeError
        return echo(text)

    with pytest.raises(RuntimeError):
        keep(store, ListeningEngine(fail_at_c, together=1)).answer(QUESTIONS)
    engine = ListeningEngine(echo)
    assert texts_of(keep(store, engine).answer(QUESTIONS)) == ["A", "B", "C"]
    assert engine.asked == [make_request("c")]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(call=st.integers(1, 40), after=st.booleans())
def test_killed_process_resumes_after_last_block(store: ObjectStore, s3: Any, call: int, *, after: bool) -> None:
    s3.objects.clear()
    many = [question(f"r{n}", f"text {n}") for n in range(6)]
    first, second = ListeningEngine(echo, together=2), ListeningEngine(echo, together=2)
    with suppress(Killed):
        keep(ObjectStore(Bucket(MortalS3(s3, call, after=after), "bucket", "prefix/")), first).answer(many)
    kept = len(list_lines(store))
    assert texts_of(keep(store, second).answer(many)) == [f"TEXT {n}" for n in range(6)]
    # At most the unfinished batch is generated again.
    assert len(second.asked) == 6 - kept
    assert len(first.asked) + len(second.asked) <= 6 + 2
    assert sorted(list_lines(store)) == [(f"r{n}", f"TEXT {n}") for n in range(6)]


class InterruptedEngine:
    """Does something between two batches of another."""

    def __init__(self, engine: Engine, between: Callable[[], Any]) -> None:
        self._engine, self._between = engine, between

    def answer(self, requests: Sequence[Request]) -> Iterator[Mapping[int, Answer]]:
        for number, answers in enumerate(self._engine.answer(requests)):
            if number == 1:
                self._between()
            yield answers


def test_first_of_two_answers_is_kept(store: ObjectStore) -> None:
    quicker = keep(store, ListeningEngine(lambda text: make_answer(f"quick {text}")))
    slower = InterruptedEngine(ListeningEngine(echo, together=1), lambda: quicker.answer(QUESTIONS))
    kept = keep(store, slower)
    kept.answer(QUESTIONS)
    assert texts_of(kept.answer(QUESTIONS)) == ["A", "quick b", "quick c"]
    assert texts_of(quicker.answer(QUESTIONS)) == ["A", "quick b", "quick c"]
    assert sorted(list_lines(store)) == [("r0", "A"), ("r1", "quick b"), ("r2", "quick c")]


def test_concurrent_writers_lose_no_rows(store: ObjectStore) -> None:
    other = keep(store, ListeningEngine(echo))
    engine = InterruptedEngine(ListeningEngine(echo, together=1), lambda: other.answer([question("r7", "z")]))
    keep(store, engine).answer(QUESTIONS)
    assert sorted(list_lines(store)) == [("r0", "A"), ("r1", "B"), ("r2", "C"), ("r7", "Z")]


def test_erased_row_loses_its_answers(store: ObjectStore) -> None:
    keep(store, ListeningEngine(echo)).answer([*QUESTIONS, question("r3", "a")])
    (block,) = list_blocks(store)
    assert rewrite_blob(store, block.result.frame, "answers", ["r0"]) == 1
    assert not store.has_blob(block.result.frame)
    assert list_lines(store) == [("r1", "B"), ("r2", "C"), ("r3", "A")]


def test_sampling_uses_seed_of_call(store: ObjectStore) -> None:
    engine = ListeningEngine(echo)
    questions = [Question("r0", make_request("a", temperature=1, sample=sample)) for sample in (0, 1)]
    keep(store, engine).answer(questions)
    seeds = [request.parameters.seed for request in engine.asked]
    assert None not in seeds
    assert seeds[0] != seeds[1]
