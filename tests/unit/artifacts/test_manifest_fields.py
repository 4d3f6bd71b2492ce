"""The fields of every manifest, pinned by kind and schema version.

Stores are read for years. To add, remove or retype a field, raise the kind's `schema_version` and add the new
version's lines to tests/golden/manifest_fields.json. The lines of released versions never change.
A digest's line says what it names: garbage collection deletes what only a plain text field names.
"""

import json
from pathlib import Path

import pytest
from nightloom.artifacts.kinds import KINDS
from nightloom.core.manifests import Artifact, CachedResult

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "manifest_fields.json").read_text(encoding="utf-8"))


def list_fields(kind):
    schema = kind.model_json_schema()
    return sorted(describe("", {"properties": schema["properties"]}, schema.get("$defs", {})))


def describe(path, schema, known):
    """Return `path: type` for every leaf of a JSON schema."""
    schema = known[schema["$ref"].rsplit("/", 1)[-1]] if "$ref" in schema else schema
    if "properties" in schema:
        for name, inner in schema["properties"].items():
            yield from describe(f"{path}.{name}".lstrip("."), inner, known)
    elif "anyOf" in schema:
        for choice in schema["anyOf"]:
            yield from describe(path, choice, known)
    elif "items" in schema:
        yield from describe(f"{path}[]", schema["items"], known)
    elif isinstance(schema.get("additionalProperties"), dict):
        yield from describe(f"{path}{{}}", schema["additionalProperties"], known)
    else:
        kind = schema.get("format") or schema.get("type", "any")
        yield f"{path}: {'|'.join(schema['enum']) if 'enum' in schema else schema.get('const', kind)}"


def list_below(base):
    """Return all classes below one: `Artifact[AdapterId]` is below `Artifact`, and `Adapter` below that."""
    return [one for child in base.__subclasses__() for one in (child, *list_below(child))]


def test_every_kind_is_pinned():
    assert len(KINDS) == 32
    assert {name.split()[0] for name in GOLDEN} == KINDS.keys()
    ours = (one for base in (Artifact, CachedResult) for one in list_below(base) if "kind" in vars(one))
    assert set(KINDS.values()) == {one for one in ours if one.__module__.startswith("nightloom.")}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_fields_match_schema_version(kind):
    assert list_fields(kind) == GOLDEN[f"{kind.kind} {kind.schema_version}"], "see the top of this file"


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_fields_are_explained(kind):
    assert kind.__doc__
    assert kind.model_fields[kind.named_by].annotation.__doc__
