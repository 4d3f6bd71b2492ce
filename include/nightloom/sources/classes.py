"""Classes: read numbers of classes by the names that Hugging Face's `datasets` wrote into the schema."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import pyarrow as pa

from nightloom.core.errors import SchemaError

_KEY = b"huggingface"
_NO_CLASS = -1  # how `datasets` writes a missing class


def name_classes(batch: pa.RecordBatch, columns: Sequence[str]) -> pa.RecordBatch:
    """Return a batch in which numbers of classes (`ClassLabel`), also within lists and objects, are their names.

    Raises:
        SchemaError: A number names no class.
    """
    features = _read_features(batch.schema)
    for index, name in enumerate(batch.schema.names):
        if name in columns and "ClassLabel" in json.dumps(features.get(name)):
            values = batch.column(index).to_pylist()
            try:
                named = pa.array([_name_value(value, features[name]) for value in values])
            except LookupError as error:
                msg = f"column {name!r} holds a number of no class; its schema has {error.args[0]}; correct the column"
                raise SchemaError(msg) from None
            batch = batch.set_column(index, name, named)
    return batch


def _read_features(schema: pa.Schema) -> Mapping[str, Any]:
    """Return the features of columns by name, or none if the schema has no metadata of `datasets`."""
    with suppress(ValueError, KeyError, TypeError):
        features = json.loads((schema.metadata or {})[_KEY])["info"]["features"]
        return features if isinstance(features, dict) else {}
    return {}


def _name_value(value: Any, feature: Any) -> Any:
    """Return a value with names instead of numbers of classes.

    Raises:
        LookupError: A number names no class; its argument is the list of classes.
    """
    if isinstance(feature, list):  # how earlier versions wrote a list
        feature = {"feature": feature[0]} if feature else {}
    if value is None or not isinstance(feature, dict):
        return value
    inner = feature.get("feature", feature)
    if isinstance(value, list):
        return [_name_value(one, inner) for one in value]
    if isinstance(value, dict):
        return {name: _name_value(one, inner.get(name)) for name, one in value.items()}
    names = feature.get("names")
    if feature.get("_type") != "ClassLabel" or not isinstance(value, int) or not names:
        return value
    if value == _NO_CLASS:
        return None
    if not 0 <= value < len(names):
        raise LookupError(", ".join(map(str, names)))
    return str(names[value])
