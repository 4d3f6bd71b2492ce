"""Answering: turn the rows of one shard into result lines, each with exactly one terminal status.

Answers are scanned before they are stored or written into a line.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nightloom.artifacts.answers import Answer, Found, Parameters, Request
from nightloom.artifacts.frames import RECORDS, get_frame
from nightloom.artifacts.ids import PredictionPlanId
from nightloom.artifacts.predictions import PredictionPlanContent, PredictionStatus
from nightloom.artifacts.prompts import PromptContent
from nightloom.core.digests import digest_json, short
from nightloom.core.errors import ChildError, InputError
from nightloom.core.store import ObjectStore
from nightloom.engines.answers import KeptAnswers, Question, identify_engine
from nightloom.engines.base import Engine
from nightloom.prediction.answer_scan import make_scan
from nightloom.prediction.lines import ChatCompletion, Choice, LineError, Message, Outcome, Response, ResultLine, Usage
from nightloom.prediction.screening import Refusal, Screened, screen_rows
from nightloom.prompts.templates import parse_output, render_prompt

logger = logging.getLogger(__name__)

_BATCH_ROWS = 256
_ENGINE_FAILURE = "engine_failure"

OnRows = Callable[[int], None]
"""Called with the number of rows finished since the last call."""

Result = Answer | Refusal


@dataclass(frozen=True, slots=True)
class PredictionBatch:
    """What all rows of a plan share. `open_engine` is called only for a shard with rows to ask about."""

    plan_id: PredictionPlanId
    plan: PredictionPlanContent
    prompt: PromptContent
    store: ObjectStore
    open_engine: Callable[[], Engine]


class _EngineError(Exception):
    """The engine failed, not the store."""


class _MarkedEngine:
    """Engine that raises `_EngineError`, to distinguish its errors from those of the store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def answer(self, requests: Sequence[Request]) -> Iterator[Mapping[int, Answer]]:
        try:
            yield from self._engine.answer(requests)
        except Exception as error:  # an engine may raise anything
            raise _EngineError from error


@dataclass(frozen=True, slots=True)
class _Row:
    row_id: str
    flags: tuple[str, ...]
    question: Question | Refusal


def answer_rows(batch: PredictionBatch, shard: str, on_rows: OnRows) -> list[ResultLine]:
    """Return the result line of every row of a shard, in order, and cache the answers of the model.

    Args:
        batch: What all rows share.
        shard: Blob of a RECORDS frame.
        on_rows: Called with the number of rows finished since the last call.

    Raises:
        ChildError: The engine failed on every row of a part of the shard: the engine is broken, not the rows.
        InputError: A scanner is missing, or its version is not the planned one.
    """
    parameters = Parameters(max_completion_tokens=batch.plan.max_new_tokens)
    frame = get_frame(batch.store, shard, RECORDS)
    screened = screen_rows(frame, batch.plan.checks)
    rows = [_read_row(batch, parameters, *row) for row in zip(frame["row_id"], screened, strict=True)]
    questions = [row.question for row in rows if not isinstance(row.question, Refusal)]
    on_rows(len(rows) - len(questions))
    engine = identify_engine(batch.plan.model)
    scan = make_scan(batch.plan)
    kept = KeptAnswers(batch.store, engine, shard, lambda: _MarkedEngine(batch.open_engine()), scan)
    answers = _answer_all(batch, kept, questions, on_rows)
    lines = [_as_line(batch, row, row.question if isinstance(row.question, Refusal) else next(answers)) for row in rows]
    kept.commit()
    return lines


def _read_row(batch: PredictionBatch, parameters: Parameters, row_id: str, screened: Screened) -> _Row:
    if screened.refusal:
        return _Row(row_id, screened.flags, screened.refusal)
    try:
        messages = render_prompt(batch.prompt, screened.text, screened.history)
    except InputError:
        # Without the error's message: it may quote the text.
        refusal = Refusal("failed", "prompt_not_rendered", "the prompt could not be rendered with this text")
        return _Row(row_id, screened.flags, refusal)
    kwargs = batch.plan.task.chat_template_kwargs
    request = Request(messages=tuple(messages), parameters=parameters, chat_template_kwargs=kwargs)
    return _Row(row_id, screened.flags, Question(row_id, request))


def _answer_all(
    batch: PredictionBatch, kept: KeptAnswers, asked: Sequence[Question], on_rows: OnRows
) -> Iterator[Result]:
    for start in range(0, len(asked), _BATCH_ROWS):
        part = asked[start : start + _BATCH_ROWS]
        answers = _answer(batch, kept, part)
        if len(part) > 1 and all(isinstance(answer, Refusal) and answer.code == _ENGINE_FAILURE for answer in answers):
            msg = (
                f"the engine failed on all of {len(part)} rows of plan {short(batch.plan_id)}; nothing of this shard "
                f"was committed. Fix the errors in the log and run the worker again"
            )
            raise ChildError(msg)
        on_rows(len(part))
        yield from answers


def _answer(batch: PredictionBatch, kept: KeptAnswers, asked: Sequence[Question]) -> list[Result]:
    """Ask for all rows at once. If that fails, ask for each half, until a single row fails."""
    try:
        answers = kept.answer(asked)
    except _EngineError as failure:  # one bad row must not cost the others their answers
        error = failure.__cause__
        if len(asked) > 1:
            middle = len(asked) // 2
            return _answer(batch, kept, asked[:middle]) + _answer(batch, kept, asked[middle:])
        # Only the class: an engine's message may quote the text.
        logger.warning("plan %s: the engine failed on a row: %s", short(batch.plan_id), type(error).__name__)
        code = "input_refused" if isinstance(error, InputError) else _ENGINE_FAILURE
        return [Refusal("failed", code, f"the engine raised {type(error).__name__}")]
    return [_refuse_too_long(answer) for answer in answers]


def _refuse_too_long(answer: Answer) -> Result:
    if answer.completion_tokens == 0 and answer.finish_reason == "length":
        message = f"the prompt of {answer.prompt_tokens} tokens leaves no room for an answer in the model's context"
        return Refusal("failed", "context_exceeded", message)
    return answer


def _as_line(batch: PredictionBatch, row: _Row, result: Result) -> ResultLine:
    plan = batch.plan
    digest = digest_json([batch.plan_id, row.row_id])[:32]
    status, answer = _judge(plan, result)
    found = result.scanned.found if isinstance(result, Answer) and result.scanned else ()
    return ResultLine(
        id=f"batch_req_{digest}",
        custom_id=row.row_id,
        response=_as_response(plan, digest, result) if isinstance(result, Answer) else None,
        error=LineError(code=result.code, message=result.message) if isinstance(result, Refusal) else None,
        nightloom=Outcome(
            status=status,
            flags=_join_flags(row.flags, found),
            found=found,
            blocked=status == "blocked",
            delivered=status == "succeeded",
            answer=answer,
            night=plan.night,
            model=plan.model,
            prompt=plan.task.prompt,
        ),
    )


def _judge(plan: PredictionPlanContent, result: Result) -> tuple[PredictionStatus, dict[str, str] | None]:
    """Return the terminal status of a row, and the fields of its answer if it is delivered."""
    if isinstance(result, Refusal):
        return result.status, None
    if result.scanned and result.scanned.withheld:
        return "blocked", None
    answer = parse_output(result, plan.task.field_order, plan.task.answer, plan.task.output)
    return ("invalid_output" if answer is None else "succeeded"), answer


def _join_flags(of_input: Sequence[str], of_answer: Sequence[Found]) -> tuple[str, ...]:
    return tuple(sorted({*of_input, *(f"answer.{one.scanner}" for one in of_answer)}))


def _as_response(plan: PredictionPlanContent, digest: str, answer: Answer) -> Response:
    body = ChatCompletion(
        id=f"chatcmpl-{digest}",
        model=plan.model.adapter or plan.model.base,
        choices=(Choice(message=Message(content=answer.text), finish_reason=answer.finish_reason),),
        usage=Usage(
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=answer.completion_tokens,
            total_tokens=answer.prompt_tokens + answer.completion_tokens,
        ),
    )
    return Response(request_id=f"req_{digest}", body=body)
