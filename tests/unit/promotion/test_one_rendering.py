"""Evaluation and batch send an engine exactly what `render_prompt` returns; parity relies on it."""

import json

import polars as pl
import pytest
from nightloom.artifacts.data import EvalSetContent, EvalSetManifest, EvalSetProvenance
from nightloom.artifacts.frames import EVAL_ITEMS, RECORDS, get_frame, put_frame
from nightloom.artifacts.leaves import rows_root
from nightloom.artifacts.models import ModelRef, TaskSpec
from nightloom.artifacts.prompts import Prompt, PromptContent, PromptMessage, PromptProvenance
from nightloom.core.store import ObjectStore
from nightloom.evaluation.scoring import score_model
from nightloom.prediction.answering import PredictionBatch, answer_rows
from nightloom.prompts.templates import render_prompt

from tests.factories.asking import ListeningEngine
from tests.factories.prediction_plans import make_plan_content

HISTORY = [{"content": "Hi", "role": "user"}, {"content": "Hello.", "role": "assistant"}]
TEXTS = [("the invoice is wrong", None), ("  my password\n is lost ", HISTORY)]
PROMPT = PromptContent(
    messages=(
        PromptMessage(role="system", content="Which team?"),
        PromptMessage(role="user", content="Ticket: {{ text }}"),
    )
)


@pytest.fixture
def task(store: ObjectStore) -> TaskSpec:
    prompt = store.publish(Prompt(content=PROMPT, provenance=PromptProvenance(name="triage/1")))
    answer = {"answer": {"team": None}, "field_order": ("team",), "output": "json"}
    return TaskSpec(prompt=prompt.id, **answer, chat_template_kwargs={"enable_thinking": False})


def test_evaluation_renders_the_prompt(store: ObjectStore, task: TaskSpec) -> None:
    rows = [(f"i{n}", "c", text, '{"team":"x"}', None, history) for n, (text, history) in enumerate(TEXTS)]
    blob = put_frame(store, pl.DataFrame(rows, schema=EVAL_ITEMS, orient="row"), EVAL_ITEMS)
    root = rows_root(get_frame(store, blob, EVAL_ITEMS))
    evalset = store.publish(
        EvalSetManifest(
            content=EvalSetContent(name="gold", rows_root=root, items=2),
            provenance=EvalSetProvenance(frame=blob),
        )
    )
    engine = ListeningEngine()
    score_model(store, task, 8, ModelRef(base="b" * 64), evalset.id, lambda *_: engine)
    assert engine.heard == [render_prompt(PROMPT, text, history) for text, history in TEXTS]
    assert [request.chat_template_kwargs for request in engine.asked] == [{"enable_thinking": False}] * 2


def test_batch_renders_the_prompt(store: ObjectStore, task: TaskSpec) -> None:
    rows = [(f"r{n}", "", text, None, None, history, False, None) for n, (text, history) in enumerate(TEXTS)]
    plan = make_plan_content(task, rows=2)
    engine = ListeningEngine()
    shard = put_frame(store, pl.DataFrame(rows, schema=RECORDS, orient="row"), RECORDS)
    lines = answer_rows(PredictionBatch("p" * 64, plan, PROMPT, store, lambda: engine), shard, lambda _: None)
    assert [json.loads(line.model_dump_json())["nightloom"]["status"] for line in lines] == ["invalid_output"] * 2
    assert engine.heard == [render_prompt(PROMPT, text, history) for text, history in TEXTS]
    assert [request.chat_template_kwargs for request in engine.asked] == [{"enable_thinking": False}] * 2
