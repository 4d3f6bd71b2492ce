"""Scoring: one model's answers on one eval set, scored item by item and cached by everything that determines them."""

import json
import time
from collections.abc import Callable, Mapping, Sequence

import polars as pl

from nightloom.artifacts import fingerprints
from nightloom.artifacts.answers import Parameters, Request
from nightloom.artifacts.data import EvalSetManifest
from nightloom.artifacts.frames import OUTPUTS, SCORES, put_frame
from nightloom.artifacts.ids import EvalSetId
from nightloom.artifacts.models import ModelRef, TaskSpec
from nightloom.artifacts.prompts import Prompt
from nightloom.artifacts.reading import read_eval_set
from nightloom.artifacts.results import Scores, ScoresKey, ScoresResult
from nightloom.core.store import ObjectStore
from nightloom.engines.answers import Question, answer_all
from nightloom.engines.base import Engine
from nightloom.engines.opening import open_engine
from nightloom.evaluation.items import score_items
from nightloom.evaluation.metrics import compute_metrics
from nightloom.evaluation.scorers import find_scorer, identify_scorer
from nightloom.prompts.templates import parse_output, render_prompt

OpenEngine = Callable[[ObjectStore, ModelRef], Engine]

SCORED_BY = ("exact_match", "exact", "valid")
"""Names of the scorers of a night: fields first, then the whole answer."""


def score_model(
    store: ObjectStore,
    task: TaskSpec,
    max_new_tokens: int,
    model: ModelRef,
    evalset_id: EvalSetId,
    open_engine: OpenEngine = open_engine,
    scored_by: Sequence[str] = SCORED_BY,
) -> Scores:
    """Return the scores of a model on an eval set, cached in the store.

    The key has the task but no blueprint, so baseline and champion are not scored again every night. For a champion,
    pass the task that it is served with.
    """
    key = identify_scores(task, max_new_tokens, model, evalset_id, fingerprints.SCORES.versions(), scored_by)
    return store.find_or_make(Scores, key, lambda: _score(store, key, model, open_engine, scored_by))


def identify_scores(
    task: TaskSpec,
    max_new_tokens: int,
    model: ModelRef,
    evalset_id: EvalSetId,
    packages: Mapping[str, str],
    scored_by: Sequence[str] = SCORED_BY,
) -> ScoresKey:
    """Return the cache key of a model's scores.

    Args:
        task: Task of the model.
        max_new_tokens: Largest number of tokens of an answer.
        model: Base model and adapter.
        evalset_id: Eval set.
        packages: Library versions of the generating interpreter, which may not be this one.
        scored_by: Names of scorers.
    """
    return ScoresKey(
        model=model,
        evalset=evalset_id,
        task=task,
        max_new_tokens=max_new_tokens,
        code=fingerprints.SCORES.code(),
        packages=fingerprints.SCORES.versions(packages),
        scorers=tuple(identify_scorer(find_scorer(name)) for name in scored_by),
    )


def _score(
    store: ObjectStore, key: ScoresKey, model: ModelRef, open_engine: OpenEngine, scored_by: Sequence[str]
) -> Scores:
    began, task = time.monotonic(), key.task
    items = read_eval_set(store, key.evalset)
    prompt = store.load(Prompt, task.prompt).content
    parameters = Parameters(max_completion_tokens=key.max_new_tokens)
    questions = [
        Question(
            item_id,
            Request(
                messages=tuple(render_prompt(prompt, text, history)),
                parameters=parameters,
                chat_template_kwargs=task.chat_template_kwargs,
            ),
        )
        for item_id, text, history in items.select("item_id", "text", "history").iter_rows()
    ]
    source = store.load(EvalSetManifest, key.evalset).provenance.frame
    answers = answer_all(store, model, source, questions, lambda: open_engine(store, model))
    fields, scorers = _list_fields(items, task), [find_scorer(name) for name in scored_by]
    values = [parse_output(answer, task.field_order, task.answer, task.output) for answer in answers]
    frame = score_items(items, values, scorers, fields, answers)
    outputs = items.select("item_id", pl.Series("output", [answer.text for answer in answers], dtype=pl.String))
    result = ScoresResult(
        frame=put_frame(store, frame, SCORES),
        outputs=put_frame(store, outputs, OUTPUTS),
        metrics=compute_metrics(frame, scorers, fields),
        cut=sum(answer.finish_reason == "length" for answer in answers),
        seconds=round(time.monotonic() - began, 3),
    )
    return Scores(key=key, result=result)


def _list_fields(items: pl.DataFrame, task: TaskSpec) -> list[str]:
    """Return the fields that an eval set asks for: an earlier champion may answer others."""
    asked = json.loads(items["answer"][0]).keys()
    return [*(field for field in task.field_order if field in asked), *sorted(asked - set(task.field_order))]
