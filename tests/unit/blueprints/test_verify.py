"""Digests of a blueprint are recomputed, and this installation is compared with it."""

import pytest
from nightloom.blueprints.verify import verify_inputs, verify_installation


@pytest.fixture(autouse=True)
def _valid_snapshots(monkeypatch):
    """Snapshots have a verification of their own."""
    monkeypatch.setattr("nightloom.blueprints.verify.verify_snapshot", lambda *_: None)


def verify(store, blueprint):
    return verify_inputs(store, blueprint.content)


def blob_key(digest):
    return f"prefix/objects/sha256/{digest[:2]}/{digest[2:]}"


def test_unchanged_inputs_have_no_difference(store, make_blueprint):
    assert verify(store, make_blueprint()) == []


def test_damaged_blob_is_named_with_file(store, s3, make_blueprint, inputs):
    blueprint = make_blueprint()
    s3.objects[blob_key(inputs.weights)] = b"other weights"
    assert verify(store, blueprint) == [
        f"model.safetensors of base model {inputs.base[:12]}: blob {inputs.weights} is damaged in the store; "
        f"restore it from a backup"
    ]


def test_missing_blob_is_named_with_file(store, s3, make_blueprint, inputs):
    blueprint = make_blueprint()
    del s3.objects[blob_key(inputs.weights)]
    assert verify(store, blueprint) == [
        f"model.safetensors of base model {inputs.base[:12]}: blob {inputs.weights} is not in the store; "
        f"restore it from a backup"
    ]


@pytest.mark.parametrize("kind", ["prompt", "base", "evalset"])
def test_missing_manifest_is_named(store, s3, make_blueprint, kind):
    blueprint = make_blueprint()
    (key,) = [key for key in s3.objects if f"manifests/{kind}/" in key]
    del s3.objects[key]
    (difference,) = verify(store, blueprint)
    assert difference.startswith(f"{kind} {key[-69:-5]} is not in the store")


def test_changed_eval_items_are_found(store, s3, make_blueprint, inputs):
    blueprint = make_blueprint()
    key = f"prefix/manifests/evalset/{inputs.eval_set.id}.json"
    rows = next(key for key in s3.objects if "manifests/snapshot" in key)
    assert rows
    frame = inputs.eval_set.provenance.frame.encode()
    other = store.put_blob(_one_item_less(store, inputs.eval_set.provenance.frame)).encode()
    s3.objects[key] = s3.objects[key].replace(frame, other)
    (difference,) = verify(store, blueprint)
    assert difference.startswith(f"the items of eval set {inputs.eval_set.id} differ from those that were frozen")


def _one_item_less(store, frame):
    from nightloom.artifacts.frames import EVAL_ITEMS, get_frame, put_frame

    return store.get_blob(put_frame(store, get_frame(store, frame, EVAL_ITEMS).clear(), EVAL_ITEMS))


def test_broken_snapshot_is_reported(store, make_blueprint, monkeypatch):
    from nightloom.core.errors import ManifestError

    def fail(_, snapshot):
        raise ManifestError(snapshot)

    blueprint = make_blueprint()
    monkeypatch.setattr("nightloom.blueprints.verify.verify_snapshot", fail)
    assert verify_inputs(store, blueprint.content) == [blueprint.content.snapshot]


def test_same_installation_has_no_difference(make_blueprint):
    blueprint = make_blueprint().content
    same = {"tokenizer": blueprint.tokenizer, "template": blueprint.template}
    environment = {"GOMP_SPINCOUNT": "10000", "CUBLAS_WORKSPACE_CONFIG": ":16:8"}
    assert verify_installation(blueprint, same, environment) == []


def test_different_code_and_packages_are_named(make_blueprint):
    blueprint = make_blueprint().content
    packages = {**blueprint.packages, "torch": "0.1", "gone": "2"}
    packages.pop("peft")
    other = blueprint.model_copy(update={"code": {"training": "c" * 64}, "packages": packages})
    code, gone, peft, torch = verify_installation(other, None, {})
    assert code.startswith("the code of training has changed")
    assert gone == "gone is not installed, not 2; install gone==2"
    assert peft.endswith("is installed, but was not; uninstall it")
    assert torch.endswith("not 0.1; install torch==0.1")


def test_different_chat_template_is_named(make_blueprint):
    blueprint = make_blueprint().content.model_copy(update={"tokenizer": "a" * 64, "template": "b" * 64})
    read = {"tokenizer": "a" * 64, "template": "c" * 64}
    (difference,) = verify_installation(blueprint, read, {})
    assert difference.startswith("the base model's chat template is read as cccccccccccc here, not as bbbbbbbbbbbb")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("NVIDIA_TF32_OVERRIDE", "1", "changes results"),
        ("OMP_NUM_THREADS", "1", "changes results"),
        ("CUBLAS_WORKSPACE_CONFIG", ":0:0", "does not make a GPU deterministic"),
    ],
)
def test_undeclared_variables_are_named(make_blueprint, name, value, words):
    (difference,) = verify_installation(make_blueprint().content, None, {name: value})
    assert difference.startswith(f"{name}={value} {words}")
