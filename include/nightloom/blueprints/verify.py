"""Verify: whether all that a blueprint names is still there, unaltered, and whether code and packages are the same."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from nightloom.artifacts.blueprints import Blueprint, BlueprintIdentity
from nightloom.artifacts.data import EvalSetManifest, Snapshot
from nightloom.artifacts.models import BaseModelManifest
from nightloom.core.digests import code_digest
from nightloom.core.errors import ManifestError
from nightloom.core.manifests import Manifest
from nightloom.core.packages import worker_packages
from nightloom.core.store import ObjectStore
from nightloom.prompts.templates import Prompt


def verify_blueprint(store: ObjectStore, blueprint_id: str) -> list[str]:
    """Recompute every digest that a blueprint names, and give one sentence for each thing that is not as it was.

    Raises:
        ManifestError: The blueprint itself is missing or damaged.
    """
    blueprint = store.load(Blueprint, blueprint_id).identity
    inputs: list[tuple[type[Manifest], str]] = [
        (Prompt, blueprint.task.prompt),
        (Snapshot, blueprint.snapshot),
        (BaseModelManifest, blueprint.base),
        *((EvalSetManifest, use.evalset) for use in blueprint.eval_sets),
    ]
    differences = [sentence for kind, digest in inputs for sentence in _verify_input(store, kind, digest)]
    return [*differences, *_verify_surroundings(blueprint)]


def _verify_input(store: ObjectStore, kind: type[Manifest], manifest_id: str) -> Iterator[str]:
    try:
        blobs = _named_blobs(store.load(kind, manifest_id))
    except ManifestError as error:
        yield str(error)
        return
    with tempfile.TemporaryDirectory(prefix="nightloom-verify-") as folder:
        for digest in blobs:
            if not store.has_blob(digest):
                yield f"blob {digest} of {kind.kind} {manifest_id} is not in the store; restore it from a backup"
                continue
            try:
                # Through a file: weights may be larger than memory.
                store.fetch_file(digest, Path(folder) / "blob")
            except ManifestError as error:
                yield str(error)


def _named_blobs(manifest: Manifest) -> list[str]:
    match manifest:
        case Snapshot():
            return [file.sha256 for file in manifest.record.files]
        case BaseModelManifest():
            return [file.sha256 for file in manifest.identity.files]
        case EvalSetManifest():
            return [manifest.record.frame]
    return []


def _verify_surroundings(blueprint: BlueprintIdentity) -> Iterator[str]:
    for name, digest in blueprint.code.items():
        if code_digest(name) != digest:
            yield f"the code of {name} is another now; check out the commit that the blueprint was compiled at"
    present = worker_packages()
    for package, version in blueprint.packages.items():
        found = present.get(package, "not installed")
        if found != version:
            yield f"{package} is {found}, not {version}; install {package}=={version}"
