"""Kept answers: what a model answered to the rows of a frame is kept in blocks, and only the rest is asked.

A block is committed by one conditional put of its number while the engine goes on. So a process that is killed loses
what came since its last block, and of two at once the one that comes second adds what the first has not.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from nightloom.artifacts import fingerprints
from nightloom.artifacts.answers import Answer, Answers, EngineKey, Request, digest_call, settle_seed
from nightloom.artifacts.frames import ANSWERS, get_frame, put_frame
from nightloom.artifacts.models import ModelRef
from nightloom.core.digests import short
from nightloom.core.errors import FaultError
from nightloom.core.store import ObjectStore
from nightloom.engines.base import Engine

logger = logging.getLogger(__name__)

_COMMIT_AFTER_S = 5.0
"""Once this time has passed since the last block, the answers that come next end a new one."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about a row, or about an item."""

    row_id: str
    request: Request


class KeptAnswers:
    """Answers of one engine to the rows of one frame.

    Args:
        store: Where they are kept.
        engine: What decides them besides the requests.
        source: Blob of the frame. They are kept for as long as it and the model, and erased with its rows.
        open_engine: Loads the engine; called when there is something to ask, and each time.
    """

    def __init__(self, store: ObjectStore, engine: EngineKey, source: str, open_engine: Callable[[], Engine]) -> None:
        self._store, self._engine, self._source, self._open_engine = store, engine, source, open_engine
        self._digest = engine.digest
        self._answers: dict[str, Answer] = {}
        self._committed: set[tuple[str, str]] = set()  # row and call
        self._pending: dict[tuple[str, str], None] = {}
        self._settled: set[str] = set()  # calls of which an answer is committed
        self._number = 0
        while (block := store.find(Answers, self._name_block())) is not None:
            self._learn(block)
            self._number += 1
        self._committed_at = time.monotonic()
        if self._settled:
            logger.info("%d answers to rows of frame %s are kept", len(self._settled), short(source))

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Return the answer to each question, in their order: those that are kept, and from the engine the others.

        Raises:
            FaultError: The engine left something unanswered.
            InputError: The engine cannot do what a request asks for.
        """
        calls = [digest_call(self._digest, question.request) for question in questions]
        rows: dict[str, list[str]] = {}
        unanswered: dict[str, Request] = {}
        for call, question in zip(calls, questions, strict=True):
            rows.setdefault(call, []).append(question.row_id)
            if call not in self._answers:
                unanswered[call] = question.request
        self._add((call for call in rows if call not in unanswered), rows)
        for came in self._ask(unanswered) if unanswered else ():
            self._answers |= {call: answer for call, answer in came.items() if call not in self._settled}
            self._add(came, rows)
            if time.monotonic() - self._committed_at >= _COMMIT_AFTER_S:
                self.commit()
        return [self._answers[call] for call in calls]

    def commit(self) -> None:
        """Commit what came since the last block. Where somebody else was quicker, their answers stand."""
        while self._pending:
            lines = [(row_id, call, self._dump(call)) for row_id, call in self._pending]
            frame = put_frame(self._store, pl.DataFrame(lines, schema=ANSWERS, orient="row"), ANSWERS)
            block = Answers(key=self._name_block(), result=Answers.Result(frame=frame, rows=len(lines)))
            stands = self._store.publish(block)
            if stands.result == block.result:
                self._committed |= self._pending.keys()
                self._settled |= {call for _, call in self._pending}
                self._pending.clear()
            else:
                self._learn(stands)
            self._number += 1
        self._committed_at = time.monotonic()

    def _ask(self, unanswered: Mapping[str, Request]) -> Iterator[dict[str, Answer]]:
        calls = list(unanswered)
        left = set(calls)
        engine = self._open_engine()
        for came in engine.answer([settle_seed(request, call) for call, request in unanswered.items()]):
            left -= {calls[place] for place in came}
            yield {calls[place]: answer for place, answer in came.items()}
        if left:
            msg = f"the engine left {len(left)} of {len(calls)} requests without an answer; run this again"
            raise FaultError(msg)

    def _add(self, calls: Iterable[str], rows: Mapping[str, list[str]]) -> None:
        lines = [(row_id, call) for call in calls for row_id in rows[call]]
        self._pending |= dict.fromkeys(line for line in lines if line not in self._committed)

    def _learn(self, block: Answers) -> None:
        """Take over a block that stands: what the same calls gave later, or gives here, does not count."""
        for row_id, call, answer in get_frame(self._store, block.result.frame, ANSWERS).iter_rows():
            if call not in self._settled:
                self._answers[call] = Answer.model_validate_json(answer)
                self._settled.add(call)
            self._committed.add((row_id, call))
            self._pending.pop((row_id, call), None)

    def _dump(self, call: str) -> str:
        return self._answers[call].model_dump_json(exclude_defaults=True)

    def _name_block(self) -> Answers.Key:
        return Answers.Key(engine=self._engine, source=self._source, number=self._number)


def identify_engine(model: ModelRef) -> EngineKey:
    """Return what decides the answers of a model that this interpreter opens."""
    return EngineKey(model=model, code=fingerprints.ANSWERS.code(), packages=fingerprints.ANSWERS.versions())


def answer_all(
    store: ObjectStore, model: ModelRef, source: str, questions: Sequence[Question], open_engine: Callable[[], Engine]
) -> list[Answer]:
    """Return the answers of a model to the rows of a frame, all of them kept at the end, as they stand in the store.

    Args:
        store: Where they are kept.
        model: Base and adapter.
        source: Blob of the frame.
        questions: About its rows.
        open_engine: Loads the model; called only when there is something to ask.
    """
    kept = KeptAnswers(store, identify_engine(model), source, open_engine)
    kept.answer(questions)
    kept.commit()
    return kept.answer(questions)
