"""Erasure across nights and recipes: blobs with the row are rewritten, others with the same key are not."""

import polars as pl
import pytest
from nightloom.artifacts.answers import Answers, EngineKey
from nightloom.artifacts.data import (
    Curated,
    Records,
    RecordsContent,
    Snapshot,
    SnapshotContent,
    SnapshotProvenance,
)
from nightloom.artifacts.frames import ANSWERS, EXAMPLES, LABELS, RECORDS, TOKENS, get_frame, put_frame
from nightloom.artifacts.histories import item_id
from nightloom.artifacts.models import ModelRef
from nightloom.artifacts.reading import read_records, read_tokens
from nightloom.artifacts.training import Tokens
from nightloom.core.digests import digest_bytes
from nightloom.core.errors import FaultError, InputError
from nightloom.core.store import ObjectStore
from nightloom.registry.database import Database
from nightloom.registry.erasures import find_erasure, read_erasures
from nightloom.registry.members import add_member
from nightloom.registry.nights import begin_stage
from nightloom.snapshots.erase import Erased, erase_row, refuse_erased

from .test_garbage import NIGHT, put_tokens, put_trial


def put_records(store: ObjectStore, registry: Database, recipe: str | None, text: str) -> Records:
    frame = pl.DataFrame([("T1", "v", text, "{}", None, None, False, None)], RECORDS, orient="row")
    content = RecordsContent(rows=1, new_rows=1, parts=(put_frame(store, frame, RECORDS),))
    records = store.publish(Records(content=content))
    if recipe:
        add_member(registry, recipe, NIGHT, "records", records.id)
    return records


def put_curated(store: ObjectStore, registry: Database, recipe: str, records: str) -> Curated:
    examples = pl.DataFrame([("T1", "c", "train", f"{recipe} reads", "{}", None, None)], EXAMPLES, orient="row")
    content = Curated.Content(
        records=records,
        eval_sets=(),
        parent=None,
        releases=None,
        operations={},
        scanners={},
        tokens=None,
        examples=(put_frame(store, examples, EXAMPLES),),
        ledger=(),
        quarantine=(),
        contamination=None,
        counts=(),
        expectations=(),
        refusal=None,
    )
    curated = store.publish(Curated(content=content))
    add_member(registry, recipe, NIGHT, "curated", curated.id)
    return curated


def put_snapshot(store: ObjectStore, registry: Database, recipe: str) -> Snapshot:
    content = SnapshotContent(rows_root="r" * 64, columns=(), splits={})
    provenance = SnapshotProvenance(files=(), recipe=recipe, night="2026-11-23", parent=None)
    snapshot = store.publish(Snapshot(content=content, provenance=provenance))
    add_member(registry, recipe, NIGHT, "snapshot", snapshot.id)
    return snapshot


def erase(store: ObjectStore, registry: Database, recipe: str = "triage") -> Erased:
    return erase_row(store, registry, recipe, "T1", who="eva", why="she asked for it")


def test_same_key_elsewhere_is_another_row(store: ObjectStore, registry: Database) -> None:
    ours = put_records(store, registry, "triage", "my name is Ann")
    others = put_records(store, registry, "sales", "an order")
    assert erase(store, registry).recipes == ("triage",)
    assert [len(read_records(store, one.id)) for one in (ours, others)] == [0, 1]
    assert read_erasures(registry, "triage") == {digest_bytes(b"T1")}
    assert read_erasures(registry, "sales") == frozenset()


def test_shared_row_is_erased_everywhere(store: ObjectStore, registry: Database) -> None:
    records = put_records(store, registry, None, "my name is Ann")
    for recipe in ("sales", "triage"):
        put_curated(store, registry, recipe, records.id)
    erased = erase(store, registry)
    assert (erased.recipes, erased.blobs) == (("sales", "triage"), {"records": 1, "examples": 2})


def test_token_ids_are_erased_too(store: ObjectStore, registry: Database) -> None:
    """Token ids reveal the text to a person with the tokenizer."""
    put_records(store, registry, "triage", "my name is Ann")
    rows = [
        (row_id, "train", [71, 72, number], [False, True, True], True) for number, row_id in enumerate(["T1", "T2"])
    ]
    frame = put_frame(store, pl.DataFrame(rows, TOKENS, orient="row"), TOKENS)
    snapshot = put_snapshot(store, registry, "triage")
    tokens = put_tokens(store, snapshot.id, "c" * 64, frame)
    assert erase(store, registry).blobs == {"records": 1, "tokens": 1}
    assert not store.has_blob(frame)
    assert store.load(Tokens, tokens.id) == tokens
    assert read_tokens(store, tokens, "train").rows() == [rows[1]]


def test_training_sample_is_erased_too(store: ObjectStore, registry: Database) -> None:
    put_records(store, registry, "triage", "my name is Ann")
    rows = [("T1", 0, "my name", False), ("T1", 1, " is Ann", True)]
    sample = put_frame(store, pl.DataFrame(rows, LABELS, orient="row"), LABELS)
    put_trial(store, put_snapshot(store, registry, "triage").id, sample)
    assert erase(store, registry).blobs == {"records": 1, "labels": 1}
    assert not store.has_blob(sample)
    assert get_frame(store, sample, LABELS).is_empty()


def test_model_answers_are_erased_too(store: ObjectStore, registry: Database) -> None:
    records = put_records(store, registry, "triage", "my name is Ann")
    item = item_id("my name is Ann", "{}", None)
    rows = [(row_id, "c" * 64, '{"text":"Dear Ann"}') for row_id in ("T1", "T2", item)]
    frame = put_frame(store, pl.DataFrame(rows, ANSWERS, orient="row"), ANSWERS)
    engine = EngineKey(model=ModelRef(base="b" * 64), code="", packages={})
    key = Answers.Key(engine=engine, source=records.content.parts[0], number=0)
    store.publish(Answers(key=key, result=Answers.Result(frame=frame, rows=3)))
    assert erase(store, registry).blobs == {"records": 1, "answers": 1}
    assert not store.has_blob(frame)
    assert get_frame(store, frame, ANSWERS)["row_id"].to_list() == ["T2"]


def test_killed_nights_row_is_erased(store: ObjectStore, registry: Database) -> None:
    left = put_records(store, registry, None, "my name is Ann")
    erase(store, registry)
    assert len(read_records(store, left.id)) == 0


def test_unfinished_night_is_named(store: ObjectStore, registry: Database) -> None:
    put_records(store, registry, "triage", "my name is Ann")
    begin_stage(registry, "triage", NIGHT, "prepare")
    assert erase(store, registry).unfinished_nights == ("2026-11-23",)


def test_erased_row_cannot_be_frozen(store: ObjectStore, registry: Database) -> None:
    records = put_records(store, registry, "triage", "my name is Ann")
    erase(store, registry)
    curated = put_curated(store, registry, "triage", records.id)
    with pytest.raises(FaultError, match="a row was erased while this night processed it; run the night again"):
        refuse_erased(store, curated.id, read_erasures(registry, "triage"))
    refuse_erased(store, curated.id, frozenset())


def test_erasing_again_keeps_the_record(store: ObjectStore, registry: Database) -> None:
    put_records(store, registry, "triage", "my name is Ann")
    erase(store, registry)
    erase_row(store, registry, "triage", "T1", who="bob", why="to be sure")
    erasure = find_erasure(registry, "triage", "T1")
    assert erasure
    assert (erasure.who, erasure.why, erasure.finished_at is None) == ("eva", "she asked for it", False)


def test_unknown_row_is_bad_input(store: ObjectStore, registry: Database) -> None:
    with pytest.raises(InputError, match="no night of triage has a row 'T1'"):
        erase(store, registry)
    assert read_erasures(registry, "triage") == frozenset()
