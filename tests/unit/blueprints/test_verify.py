import pytest
from nightloom.blueprints.verify import verify_blueprint
from nightloom.core.errors import ManifestError


def test_an_untouched_blueprint_has_no_difference(store, make_blueprint):
    assert verify_blueprint(store, make_blueprint().id) == []


def test_a_damaged_blob_is_named(store, s3, make_blueprint, inputs):
    blueprint = make_blueprint()
    s3.objects[f"prefix/objects/sha256/{inputs.weights[:2]}/{inputs.weights[2:]}"] = b"other weights"
    assert verify_blueprint(store, blueprint.id) == [
        f"blob {inputs.weights} is damaged in the store; restore it from a backup"
    ]


def test_a_missing_blob_is_named(store, s3, make_blueprint, inputs):
    blueprint = make_blueprint()
    del s3.objects[f"prefix/objects/sha256/{inputs.weights[:2]}/{inputs.weights[2:]}"]
    assert verify_blueprint(store, blueprint.id) == [
        f"blob {inputs.weights} of base {inputs.base} is not in the store; restore it from a backup"
    ]


def test_a_missing_manifest_is_named(store, s3, make_blueprint, inputs):
    blueprint = make_blueprint()
    del s3.objects[f"prefix/manifests/snapshot/{inputs.snapshot}.json"]
    (difference,) = verify_blueprint(store, blueprint.id)
    assert difference.startswith(f"snapshot {inputs.snapshot} is not in the store")


def test_other_code_and_packages_are_named(store, make_blueprint):
    blueprint = make_blueprint()
    identity = blueprint.identity.model_copy(
        update={"code": {"nightloom.training": "c" * 64}, "packages": {"torch": "0.1", "gone": "2"}}
    )
    other = store.publish(blueprint.model_copy(update={"identity": identity}))
    code, gone, torch = verify_blueprint(store, other.id)
    assert code.startswith("the code of nightloom.training is another now")
    assert torch.endswith("not 0.1; install torch==0.1")
    assert gone == "gone is not installed, not 2; install gone==2"


def test_a_blueprint_that_is_not_there_is_an_error(store):
    with pytest.raises(ManifestError, match=r"blueprint f{64} is not in the store"):
        verify_blueprint(store, "f" * 64)
