"""Real queries of a bank's customers: all are accounted for, and few are refused or merged."""

import os
from pathlib import Path

import polars as pl
import pytest
from nightloom.artifacts.reading import read_eval_set, read_records
from nightloom.core.store import ObjectStore
from nightloom.curation.evalsets import freeze_eval_set
from nightloom.recipes.preparation import Prepare
from nightloom.recipes.schema import AnswerField, Columns
from nightloom.recipes.sources import FilesSource
from nightloom.sources.extract import extract_records

from .conftest import curate

ANSWER = {"intent": AnswerField(column="category")}


def extract(store: ObjectStore, name: str) -> str:
    folder = os.environ.get("NIGHTLOOM_TEST_DATA")
    if folder is None:
        pytest.skip("NIGHTLOOM_TEST_DATA is not set: the folder that holds banking77/train.csv and test.csv")
    source = FilesSource(kind="files", path=str(Path(folder) / "banking77" / name))
    return extract_records(store, source, Columns(text="text"), ANSWER, night=None, window_days=1).id


def test_all_rows_are_accounted_for(store: ObjectStore) -> None:
    settings = Prepare(source=FilesSource(kind="files", path="train.csv"))
    rows = read_records(store, extract(store, "train.csv"))
    intents = sorted(rows["answer"].str.json_path_match("$.intent").unique())
    answer = {"intent": AnswerField(column="category", one_of=tuple(intents))}
    frozen = freeze_eval_set(store, "test", extract(store, "test.csv"), answer, settings)
    items = read_eval_set(store, frozen.manifest.id)["text"].to_list()
    ledger = curate(rows, answer, settings, items).ledger
    counts = ledger.group_by("outcome", pl.col("rule").fill_null("")).len().sort("outcome", "rule").rows()
    assert (frozen.rows.items, frozen.rows.refused, frozen.rows.unused) == (3079, {}, {})
    assert counts == [
        ("kept", "", 9512),
        ("merged", "exact_duplicate", 4),
        ("merged", "near_duplicate", 150),
        ("quarantined", "contradicting_labels", 12),
        ("quarantined", "in_eval_set", 320),
        ("repaired", "whitespace", 5),
    ]
