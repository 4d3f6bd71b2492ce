"""Scoring: what one model answers on one eval set, item by item, kept under all that determines it."""

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence

import polars as pl

from nightloom.artifacts import fingerprints
from nightloom.artifacts.frames import SCORES, put_frame
from nightloom.artifacts.models import ModelRef, TaskSpec
from nightloom.artifacts.prompts import Prompt
from nightloom.artifacts.reading import read_eval_set
from nightloom.artifacts.results import Scores, ScoresKey, ScoresResult
from nightloom.core.digests import short
from nightloom.core.store import ObjectStore
from nightloom.engines.base import Engine
from nightloom.engines.opening import open_engine
from nightloom.evaluation.metrics import sum_up
from nightloom.evaluation.scorers import SCORERS
from nightloom.prompts.templates import parse_output, render_prompt

logger = logging.getLogger(__name__)

OpenEngine = Callable[[ObjectStore, ModelRef], Engine]


def score_model(
    store: ObjectStore,
    task: TaskSpec,
    max_new_tokens: int,
    model: ModelRef,
    evalset_id: str,
    open_engine: OpenEngine = open_engine,
) -> Scores:
    """Give the scores of a model on an eval set, from the store where the same was scored before.

    They are kept under what the model is asked, and under no blueprint: baseline and champion are not scored anew every
    night. A champion is to be asked as it is served, so give the task that its adapter records.
    """
    identity = identify_scores(task, max_new_tokens, model, evalset_id, fingerprints.SCORES.versions())
    kept = store.find(Scores, identity)
    if kept:
        logger.info("scores %s of an earlier run stand", short(kept.id))
        return kept
    began = time.monotonic()
    items = read_eval_set(store, evalset_id)
    prompt = store.load(Prompt, task.prompt).content
    conversations = [
        render_prompt(prompt, text, history) for text, history in items.select("text", "history").iter_rows()
    ]
    engine = open_engine(store, model)
    outputs = [g.text for g in engine.generate(conversations, max_new_tokens)]
    frame = _score_outputs(items, outputs, task)
    record = ScoresResult(
        frame=put_frame(store, frame, SCORES),
        metrics=sum_up(frame, task.field_order, form=True),
        seconds=round(time.monotonic() - began, 3),
    )
    return store.publish(Scores(key=identity, result=record))


def score_answer(given: Mapping[str, str] | None, expected: Mapping[str, str], fields: Sequence[str]) -> list[str]:
    """Give the names of the fields that are right; none where the output had not the form that was asked for."""
    matches = SCORERS["exact_match"]
    return [field for field in fields if given is not None and matches(given[field], expected[field])]


def identify_scores(
    task: TaskSpec, max_new_tokens: int, model: ModelRef, evalset_id: str, packages: Mapping[str, str]
) -> ScoresKey:
    """Give what determines the scores of a model.

    Args:
        task: What the model is asked.
        max_new_tokens: How long its answers may be.
        model: Base and adapter.
        evalset_id: Whose items.
        packages: Versions of the interpreter that generates, which may be another than this one.
    """
    return ScoresKey(
        model=model,
        evalset=evalset_id,
        task=task,
        max_new_tokens=max_new_tokens,
        code=fingerprints.SCORES.code(),
        packages=fingerprints.SCORES.versions(packages),
    )


def _score_outputs(items: pl.DataFrame, outputs: Sequence[str], task: TaskSpec) -> pl.DataFrame:
    fields = task.field_order
    given = [parse_output(output, fields, task.answer, task.output) for output in outputs]
    expected = [json.loads(answer) for answer in items["answer"]]
    return items.select("item_id", "cluster_id", "slice").with_columns(
        pl.Series("output", outputs, dtype=pl.String),
        pl.Series("valid", [answer is not None for answer in given], dtype=pl.Boolean),
        pl.Series(
            "correct",
            [score_answer(g, e, fields) for g, e in zip(given, expected, strict=True)],
            dtype=pl.List(pl.String),
        ),
    )
