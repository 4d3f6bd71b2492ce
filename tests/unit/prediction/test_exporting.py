"""Exporting: one line per row with its answer or the reason, in every format."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from nightloom.artifacts.ids import PredictionsId
from nightloom.core.store import ObjectStore
from nightloom.prediction.commit import commit_predictions
from nightloom.prediction.exporting import export_predictions, read_predictions
from nightloom.prediction.lines import load_lines
from nightloom.prediction.run import predict_shards
from nightloom.recipes.schema import Recipe

from .conftest import RECIPE

Predict = Callable[..., PredictionsId]


@pytest.fixture
def predict(store: ObjectStore, registry: Any, make_plan: Any, open_engine: Any) -> Predict:
    """Predict texts, and commit the results."""

    def run(texts: list[str | None], **fields: Any) -> PredictionsId:
        plan = make_plan(texts, **fields)
        predict_shards(store, registry, plan.id, "0", open_engine)
        return commit_predictions(store, plan.id).id

    return run


TEXTS = ["invoice", "prose, please", None, "the key is AKIAIOSFODNN7EXAMPLE", "mail jo@example.com"]


def test_every_row_has_answer_or_reason(store: ObjectStore, predict: Predict) -> None:
    frame = pl.concat(read_predictions(store, predict(TEXTS)))
    assert frame.select("row_id", "status", "team", "error", "flags").rows() == [
        ("r000", "succeeded", "billing", None, None),
        ("r001", "invalid_output", None, None, None),
        ("r002", "failed", None, "empty_text", None),
        ("r003", "blocked", None, "secret", "secret"),
        ("r004", "succeeded", "billing", None, "pii"),
    ]
    assert frame["output"][1] == "I believe it is billing."


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
def test_export_replaces_a_file(store: ObjectStore, predict: Predict, tmp_path: Path, ending: str) -> None:
    path, made = tmp_path / "new" / f"answers{ending}", predict(TEXTS)
    assert [export_predictions(store, made, path) for _ in range(2)] == [5, 5]
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    if ending == ".jsonl":
        ids = [line.custom_id for line in load_lines(path.read_bytes())]
    else:
        ids = (pl.read_csv if ending == ".csv" else pl.read_parquet)(path)["row_id"].to_list()
    assert ids == ["r000", "r001", "r002", "r003", "r004"]


def test_field_may_have_the_name_of_a_column(store: ObjectStore, predict: Predict) -> None:
    answer = {"status": {"column": "team"}, "reply": {"column": "reply"}}
    document = {**RECIPE, "task": {**RECIPE["task"], "answer": answer, "primary": "status"}}
    document["predict"] = {**RECIPE["predict"], "table": None}
    frame = pl.concat(read_predictions(store, predict(["prose"], recipe=Recipe.model_validate(document))))
    assert frame.columns[:4] == ["row_id", "status", "answer.status", "reply"]
