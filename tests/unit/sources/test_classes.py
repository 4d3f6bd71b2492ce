"""Classes: numbers that a schema names are read as their names."""

import json
import uuid
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from nightloom.core.errors import SchemaError
from nightloom.recipes.sources import FilesSource
from nightloom.sources.classes import name_classes
from nightloom.sources.formatting import format_batch
from nightloom.sources.tables import read_batches

TONE = {"names": ["calm", "cross", "glad"], "_type": "ClassLabel"}


def read(path: Path, column: str) -> list[str | None]:
    source = FilesSource(kind="files", path=str(path))
    return [value for table in read_batches(source, [column], None, 1) for value in table[column]]


def make_batch(values: list[Any], feature: Any) -> pa.RecordBatch:
    metadata = {"huggingface": json.dumps({"info": {"features": {"x": feature}}})}
    batch = pa.RecordBatch.from_pydict({"x": values})
    return batch.replace_schema_metadata(metadata)


@pytest.mark.parametrize("kind", ["folder", "parquet"])
def test_classes_of_datasets_are_named(tmp_path: Path, kind: str) -> None:
    from datasets import ClassLabel, Dataset, Features, Value

    features = Features({"body": Value("string"), "tone": ClassLabel(names=["calm", "cross", "glad"])})
    dataset = Dataset.from_dict({"body": ["p", "q", "r", "s"], "tone": [2, 0, None, -1]}, features=features)
    path = tmp_path / ("set" if kind == "folder" else "set.parquet")
    dataset.save_to_disk(str(path)) if kind == "folder" else dataset.to_parquet(str(path))
    assert read(path, "tone") == ["glad", "calm", None, None]


@pytest.mark.parametrize(
    ("feature", "value", "text"),
    [
        pytest.param({"feature": TONE, "_type": "List"}, [0, 2], '["calm","glad"]', id="list"),
        pytest.param([TONE], [1], '["cross"]', id="list of earlier versions"),
        pytest.param(
            {"feature": {"t": TONE}, "_type": "Sequence"}, {"t": [1, 0]}, '{"t":["cross","calm"]}', id="lists"
        ),
        pytest.param([{"t": TONE, "n": {"_type": "Value"}}], [{"t": 1, "n": 1}], '[{"n":1,"t":"cross"}]', id="objects"),
    ],
)
def test_classes_within_values_are_named(feature: Any, value: Any, text: str) -> None:
    assert format_batch(make_batch([value, None], feature), ["x"])["x"].to_list() == [text, None]


@pytest.mark.parametrize(
    "feature",
    [{"_type": "Value", "dtype": "int64"}, {"_type": "ClassLabel", "num_classes": 3}, None, "ClassLabel", []],
    ids=["number", "no names", "nothing", "text", "empty list"],
)
def test_numbers_without_names_stay(feature: Any) -> None:
    assert format_batch(make_batch([1, 2], feature), ["x"])["x"].to_list() == ["1", "2"]


@pytest.mark.parametrize("metadata", [b"no JSON", b"[]", b'{"info": null}', b"\xff"])
def test_unknown_metadata_is_ignored(metadata: bytes) -> None:
    batch = pa.RecordBatch.from_pydict({"x": [1]}).replace_schema_metadata({"huggingface": metadata})
    assert name_classes(batch, ["x"]).equals(batch)


def test_number_of_no_class_names_column_and_classes() -> None:
    with pytest.raises(SchemaError, match="column 'x' holds a number of no class; its schema has calm, cross, glad"):
        name_classes(make_batch([0, 3], TONE), ["x"])


def test_uuids_are_read_as_such(tmp_path: Path) -> None:
    one = uuid.UUID("0c5943b4-b3a0-4662-8c12-84c5ad6378e0")
    keys = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([one.bytes, None], pa.binary(16)))
    pq.write_table(pa.table({"id": keys}), tmp_path / "x.parquet", store_schema=False)
    assert read(tmp_path / "x.parquet", "id") == [str(one), None]
