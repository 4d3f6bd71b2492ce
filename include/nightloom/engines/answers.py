"""Kept answers: a model's answers to the rows of a frame are stored in blocks, so only the rest is generated.

A block is committed by one conditional put of its number while the engine continues. A killed process loses only the
answers after its last block. When two processes run at once, the second adds only what the first does not have.

Answers may pass a scan first. Those that it changes are stored changed, with the scan's digest, and the text that the
model wrote is nowhere; the others are stored as the model wrote them, so a later scan needs no new call for them.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from nightloom.artifacts import fingerprints
from nightloom.artifacts.answers import Answer, Answers, EngineKey, Request, digest_call, fix_seed
from nightloom.artifacts.frames import ANSWERS, get_frame, put_frame
from nightloom.artifacts.models import ModelRef
from nightloom.core.counts import show_count
from nightloom.core.digests import short
from nightloom.core.errors import FaultError
from nightloom.core.store import ObjectStore
from nightloom.engines.base import Engine

logger = logging.getLogger(__name__)

_COMMIT_AFTER_S = 5.0
"""Minimum time between blocks: the first answers after it complete a new block."""


@dataclass(frozen=True, slots=True)
class Question:
    """A request about a row or an item."""

    row_id: str
    request: Request


@dataclass(frozen=True, slots=True)
class AnswerScan:
    """What answers pass before they are stored.

    Attributes:
        digest: Names everything that determines the changes.
        apply: Returns the answers in order, each unchanged or with `scanned` set.
    """

    digest: str
    apply: Callable[[Sequence[Answer]], list[Answer]]


class KeptAnswers:
    """Answers of one engine to the rows of one frame.

    Args:
        store: Where answers are stored.
        engine: The cache key of the engine.
        source: Blob of the frame. Answers live as long as the frame and the model, and are erased with its rows.
        open_engine: Loads the engine; called each time there is something to generate.
        scan: Changes answers before they are stored, or None.
    """

    def __init__(
        self,
        store: ObjectStore,
        engine: EngineKey,
        source: str,
        open_engine: Callable[[], Engine],
        scan: AnswerScan | None = None,
    ) -> None:
        self._scan = scan
        self._store, self._engine, self._source, self._open_engine = store, engine, source, open_engine
        self._digest = engine.digest
        self._answers: dict[str, Answer] = {}
        self._committed: set[tuple[str, str]] = set()  # row and call
        self._pending: dict[tuple[str, str], None] = {}
        self._final: set[str] = set()  # calls with a committed answer
        self._number = 0
        while (block := store.find(Answers, self._name_block())) is not None:
            self._learn(block)
            self._number += 1
        self._committed_at = time.monotonic()
        if self._final:
            logger.info("frame %s: reusing %s", short(source), show_count(len(self._final), "answer"))

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Return the answers in the order of the questions: kept ones, and new ones from the engine.

        Raises:
            FaultError: The engine left a request without an answer.
            InputError: The engine does not support a request.
        """
        calls = [digest_call(self._digest, question.request) for question in questions]
        rows: dict[str, list[str]] = {}
        unanswered: dict[str, Request] = {}
        for call, question in zip(calls, questions, strict=True):
            rows.setdefault(call, []).append(question.row_id)
            if call not in self._answers:
                unanswered[call] = question.request
        self._add((call for call in rows if call not in unanswered), rows)
        for answered in self._ask(unanswered) if unanswered else ():
            self._answers |= {call: answer for call, answer in answered.items() if call not in self._final}
            self._add(answered, rows)
            if time.monotonic() - self._committed_at >= _COMMIT_AFTER_S:
                self.commit()
        return [self._answers[call] for call in calls]

    def commit(self) -> None:
        """Commit the answers since the last block. If another process was quicker, take over its answers."""
        while self._pending:
            lines = [
                (row_id, call, self._answers[call].model_dump_json(exclude_defaults=True))
                for row_id, call in self._pending
            ]
            frame = put_frame(self._store, pl.DataFrame(lines, schema=ANSWERS, orient="row"), ANSWERS)
            block = Answers(key=self._name_block(), result=Answers.Result(frame=frame, rows=len(lines)))
            published = self._store.publish(block)
            if published.result == block.result:
                self._committed |= self._pending.keys()
                self._final |= {call for _, call in self._pending}
                self._pending.clear()
            else:
                self._learn(published)
            self._number += 1
        self._committed_at = time.monotonic()

    def _ask(self, unanswered: Mapping[str, Request]) -> Iterator[dict[str, Answer]]:
        calls = list(unanswered)
        left = set(calls)
        engine = self._open_engine()
        for answered in engine.answer([fix_seed(request, call) for call, request in unanswered.items()]):
            left -= {calls[index] for index in answered}
            yield self._apply_scan({calls[index]: answer for index, answer in answered.items()})
        if left:
            msg = (
                f"the engine left {len(left)} of {show_count(len(calls), 'request')} without an answer; run this again"
            )
            raise FaultError(msg)

    def _add(self, calls: Iterable[str], rows: Mapping[str, list[str]]) -> None:
        lines = [(row_id, call) for call in calls for row_id in rows[call]]
        self._pending |= dict.fromkeys(line for line in lines if line not in self._committed)

    def _learn(self, block: Answers) -> None:
        """Take over a published block: its answers replace later ones to the same calls."""
        rows = get_frame(self._store, block.result.frame, ANSWERS).iter_rows()
        lines = [(row_id, call, Answer.model_validate_json(answer)) for row_id, call, answer in rows]
        lines = [line for line in lines if self._can_use(line[2])]
        new = {call: answer for _, call, answer in lines if call not in self._final}
        self._answers |= self._apply_scan(new)
        self._final |= new.keys()
        for row_id, call, _ in lines:
            self._committed.add((row_id, call))
            self._pending.pop((row_id, call), None)

    def _can_use(self, answer: Answer) -> bool:
        """Whether an answer is as the model wrote it, or as this scan leaves it. Others must be generated again."""
        return answer.scanned is None or (self._scan is not None and answer.scanned.by == self._scan.digest)

    def _apply_scan(self, answers: Mapping[str, Answer]) -> dict[str, Answer]:
        if self._scan is None:
            return dict(answers)
        raw = {call: answer for call, answer in answers.items() if answer.scanned is None}
        return {**answers, **dict(zip(raw, self._scan.apply(list(raw.values())), strict=True))}

    def _name_block(self) -> Answers.Key:
        return Answers.Key(engine=self._engine, source=self._source, number=self._number)


def identify_engine(model: ModelRef) -> EngineKey:
    """Return the cache key of a model's answers in this interpreter."""
    return EngineKey(model=model, code=fingerprints.ANSWERS.code(), packages=fingerprints.ANSWERS.versions())


def answer_all(
    store: ObjectStore, model: ModelRef, source: str, questions: Sequence[Question], open_engine: Callable[[], Engine]
) -> list[Answer]:
    """Return the answers of a model to the rows of a frame, all of them committed to the store.

    Args:
        store: Where answers are stored.
        model: Base and adapter.
        source: Blob of the frame.
        questions: Questions about its rows.
        open_engine: Loads the model; called only when there is something to generate.
    """
    kept = KeptAnswers(store, identify_engine(model), source, open_engine)
    kept.answer(questions)
    kept.commit()
    return kept.answer(questions)
