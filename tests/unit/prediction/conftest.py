"""A small batch to predict, and engines that fail on demand."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date

import polars as pl
import pytest
from nightloom.artifacts.answers import Answer, Request
from nightloom.artifacts.data import Records, RecordsContent
from nightloom.artifacts.frames import RECORDS, put_frame
from nightloom.artifacts.models import ModelRef, specify_task
from nightloom.artifacts.predictions import PredictionPlan
from nightloom.artifacts.prompts import Prompt, PromptContent, PromptMessage, PromptProvenance
from nightloom.core.store import ObjectStore
from nightloom.prediction.plan import plan_shards
from nightloom.prediction.run import OpenEngine
from nightloom.recipes.schema import Recipe

from tests.factories.asking import make_answer

MODEL = ModelRef(base="b" * 64, adapter="a" * 64)

RECIPE = {
    "name": "triage",
    "owner": "support",
    "task": {
        "columns": {"key": "id", "text": "body"},
        "answer": {"team": {"column": "team", "one_of": ["billing", "sales"]}, "reply": {"column": "reply"}},
        "primary": "team",
        "prompt": "triage/1",
    },
    "prepare": {"source": {"kind": "files", "path": "tickets.csv"}, "max_characters": 200},
    "evaluate": {
        "sets": [{"name": "held_out", "source": {"kind": "files", "path": "e.csv"}, "columns": {"text": "body"}}]
    },
    "predict": {"source": {"kind": "files", "path": "open.csv"}, "shard_rows": 3, "table": "triage_predictions"},
}

MakePlan = Callable[..., PredictionPlan]


@pytest.fixture
def recipe() -> Recipe:
    return Recipe.model_validate(RECIPE)


@pytest.fixture
def make_plan(store: ObjectStore, recipe: Recipe) -> MakePlan:
    """Plan texts, or (id, version, text), as rows r000, r001, …, with one history and fault for all."""

    def make(
        texts: Sequence[str | tuple[str, str, str | None] | None],
        recipe: Recipe = recipe,
        history: list[dict[str, str]] | None = None,
        fault: dict[str, str] | None = None,
    ) -> PredictionPlan:
        rows = [text if isinstance(text, tuple) else (f"r{n:03}", "", text) for n, text in enumerate(texts)]
        frame = pl.DataFrame(rows, schema=["row_id", "version", "text"], orient="row").with_columns(
            answer=pl.lit(None),
            slice=pl.lit(None),
            history=pl.lit(history, RECORDS["history"]),
            deleted=pl.lit(value=False),
            fault=pl.lit(fault, RECORDS["fault"]),
        )
        blob = put_frame(store, frame, RECORDS)
        records = store.publish(Records(content=RecordsContent(rows=len(rows), new_rows=len(rows), parts=(blob,))))
        messages = (PromptMessage(role="user", content="{{ text }}"),)
        prompt = store.publish(
            Prompt(content=PromptContent(messages=messages), provenance=PromptProvenance(name="triage/1"))
        )
        return plan_shards(
            store,
            recipe,
            night=date(2026, 11, 23),
            records_id=records.id,
            model=MODEL,
            task=specify_task(recipe.task, prompt.id),
        )

    return make


class ScriptedEngine:
    """Answers by the text: `prose` is no JSON, `long` and `filtered` are cut, `poison` fails, `huge` does not fit.

    `leaky` makes it answer with a mail address, `careless` with a secret.
    """

    def answer(self, requests: Sequence[Request]) -> Iterator[Mapping[int, Answer]]:
        yield {place: self._answer(str(one.messages[-1]["content"])) for place, one in enumerate(requests)}

    def _answer(self, text: str) -> Answer:
        if "poison" in text:
            raise RuntimeError(text)
        if "huge" in text:
            return make_answer("", "length", 900, 0)
        if "prose" in text:
            return make_answer("I believe it is billing.", "stop", 4, 6)
        if "filtered" in text:
            return make_answer('{"team": "billing", "reply": "We"}', "content_filter", 4, 8)
        if "leaky" in text:
            return make_answer('{"team": "billing", "reply": "Write to ana@example.org"}', "stop", 4, 9)
        if "careless" in text:
            return make_answer('{"team": "billing", "reply": "Use AKIAIOSFODNN7EXAMPLE"}', "stop", 4, 9)
        if "long" in text:
            return make_answer('{"team": "bil', "length", 4, 8)
        return make_answer('{"team": "billing", "reply": "We look into it."}', "stop", 4, 9)


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
def open_engine(engine: ScriptedEngine) -> OpenEngine:
    return lambda _store, _model: engine
