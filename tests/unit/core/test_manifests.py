import json
import math

import pytest
from nightloom.core.errors import ManifestError
from nightloom.core.manifests import Artifact, CachedResult, Plain, manifest_key
from pydantic import ValidationError


class Loss(CachedResult):
    class Key(Plain):
        step: int
        rate: float

    class Result(Plain):
        seconds: float

    kind = "loss"
    key: Key
    result: Result


class Note(Artifact):
    class Content(Plain):
        text: str

    class Provenance(Plain):
        who: str

    kind = "note"
    content: Content
    provenance: Provenance


def loss(step=1, seconds=1.0):
    return Loss(key=Loss.Key(step=step, rate=0.5), result=Loss.Result(seconds=seconds))


def test_id_is_pinned():
    # It must never change: every stored manifest is found by it.
    assert loss().id == "ca3c1dec36bdae7e1c56c208f3ad7c257e938001978d3a718afae3ebb88ce9bf"


def test_result_does_not_change_id():
    assert loss(seconds=1.0).id == loss(seconds=2.0).id
    assert loss(step=1).id != loss(step=2).id


def test_provenance_does_not_change_id():
    notes = [Note(content=Note.Content(text="a"), provenance=Note.Provenance(who=who)) for who in ("ann", "bob")]
    assert notes[0].id == notes[1].id == Note.id_of(Note.Content(text="a"))


def test_kind_and_version_change_id(monkeypatch):
    before = loss().id
    monkeypatch.setattr(Loss, "schema_version", 2)
    assert loss().id != before
    monkeypatch.setattr(Loss, "schema_version", 1)
    monkeypatch.setattr(Loss, "kind", "gain")
    assert loss().id != before


def test_manifest_round_trips():
    assert Loss.from_bytes(loss().to_bytes(), loss().id) == loss()


def test_equal_manifests_have_equal_bytes():
    assert loss().to_bytes() == (
        b'{"key":{"rate":0.5,"step":1},"kind":"loss","result":{"seconds":1.0},"schema_version":1}'
    )


def change(**changes):
    return json.dumps({**json.loads(loss().to_bytes()), **changes}).encode()


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        pytest.param(b"", "is not readable", id="empty"),
        pytest.param(loss().to_bytes()[:-5], "is not readable", id="torn"),
        pytest.param(b"[]", "is not readable", id="not an object"),
        pytest.param(b'{"kind": "loss", "kind": "loss"}', "a key is repeated", id="a key twice"),
        pytest.param(change(result={"seconds": math.nan}), "is not readable", id="nan"),
        pytest.param(change(kind="gain"), "is a 'gain' of schema version 1", id="another kind"),
        pytest.param(change(schema_version=2), "this Nightloom reads version 1", id="another version"),
        pytest.param(change(key={"step": 1}), "Field required at", id="a field missing"),
        pytest.param(change(more=1), "Extra inputs are not permitted at", id="a field more"),
        pytest.param(change(key={"step": 2, "rate": 0.5}), "was changed by hand or is damaged", id="altered"),
    ],
)
def test_other_manifest_is_refused(data, complaint):
    with pytest.raises(ManifestError, match=complaint):
        Loss.from_bytes(data, loss().id)


def test_manifest_is_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        loss().key.step = 2


def test_infinity_is_refused():
    with pytest.raises(ValidationError, match="finite"):
        Loss.Result(seconds=math.inf)


def test_manifest_key_has_kind_and_id():
    assert manifest_key("loss", "ab") == "manifests/loss/ab.json"
