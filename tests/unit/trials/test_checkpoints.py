"""Checkpoints in the store: uploaded in the background, whole or not at all, and never unpickled."""

import json
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from botocore.exceptions import EndpointConnectionError
from nightloom.artifacts.blueprints import TrialPlan
from nightloom.artifacts.models import ModelFile, TaskSpec
from nightloom.artifacts.training import Checkpoint, Trial, TrialKey
from nightloom.core.errors import FaultError, StoreError
from nightloom.core.store import ObjectStore, blob_key
from nightloom.registry.database import Database
from nightloom.registry.trials import begin_trial, read_trial
from nightloom.trials.checkpoints import Checkpoints, fetch_checkpoint, upload_state
from safetensors.torch import save_file

IDENTITY = TrialKey(
    snapshot="5" * 64,
    base="b" * 64,
    task=TaskSpec(prompt="a" * 64, output="text", answer={"team": None}, field_order=("team",)),
    plan=TrialPlan(trainer="trl", method="lora", lora={}, settings={}, seed=1),
    code={},
    packages={},
)
TRIAL = Trial.id_of(IDENTITY)


class Evil:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def write_state(folder: Path, step: int = 3) -> Path:
    """Write what a trainer writes."""
    folder.mkdir()
    (folder / "trainer_state.json").write_text(json.dumps({"global_step": step, "max_steps": 9}))
    save_file({"weight": torch.full((2,), float(step))}, folder / "adapter_model.safetensors")
    torch.save({"state": {0: {"step": torch.tensor(step)}}}, folder / "optimizer.pt")
    (folder / "training_args.bin").write_bytes(b"a pickle")
    (folder / "README.md").write_text("a card")
    return folder


@pytest.fixture
def checkpoints(store: ObjectStore, registry: Database, tmp_path: Path) -> Iterator[Checkpoints]:
    begin_trial(registry, TRIAL, device="cpu")
    folder = tmp_path / "waiting"
    folder.mkdir()
    with Checkpoints(store, registry, IDENTITY, folder, every=3600, clock=lambda: 1.5) as opened:
        yield opened


@pytest.fixture
def kept(store: ObjectStore, tmp_path: Path) -> Checkpoint:
    return keep(store, write_state(tmp_path / "written"))


def keep(store: ObjectStore, folder: Path) -> Checkpoint:
    key = Checkpoint.Key(trial=IDENTITY, step=3, halvings=0)
    result = Checkpoint.Result(files=upload_state(store, folder), seconds=1.5)
    return store.publish(Checkpoint(key=key, result=result))


def point_of(registry: Database) -> str | None:
    progress = read_trial(registry, TRIAL)
    assert progress
    return progress.checkpoint


def test_saved_checkpoint_is_fetched(
    store: ObjectStore, registry: Database, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    written = write_state(tmp_path / "checkpoint-3")
    bytes_of = {path.name: path.read_bytes() for path in written.iterdir()}
    checkpoints.save(written, 3, 1)
    checkpoints.flush()
    assert not written.exists()
    assert list((tmp_path / "waiting").iterdir()) == []
    pointed = point_of(registry)
    assert pointed
    found = fetch_checkpoint(store, pointed, IDENTITY, tmp_path / "fetched")
    assert found
    assert (found.key.step, found.key.halvings, found.result.seconds) == (3, 1, 1.5)
    fetched = {path.name: path.read_bytes() for path in (tmp_path / "fetched").iterdir()}
    assert sorted(fetched) == ["adapter_model.safetensors", "optimizer.pt", "trainer_state.json"]
    assert fetched.items() <= bytes_of.items()


def test_manifest_is_published_last(
    store: ObjectStore, registry: Database, checkpoints: Checkpoints, s3: Any, tmp_path: Path
) -> None:
    original = s3.put_object

    def refuse_manifests(**arguments: Any) -> None:
        if "manifests/" in arguments["Key"]:
            raise EndpointConnectionError(endpoint_url="memory")
        original(**arguments)

    s3.put_object = refuse_manifests
    checkpoints.save(write_state(tmp_path / "checkpoint-3"), 3, 0)
    with pytest.raises(FaultError, match="checkpoint at step 3 could not be saved"):
        checkpoints.flush()
    assert len(s3.objects) == 3
    assert point_of(registry) is None


def test_next_checkpoint_replaces_failed_one(
    registry: Database, checkpoints: Checkpoints, s3: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    original = s3.put_object
    s3.put_object = lambda **_: (_ for _ in ()).throw(EndpointConnectionError(endpoint_url="memory"))
    with caplog.at_level(logging.WARNING):
        checkpoints.save(write_state(tmp_path / "checkpoint-3"), 3, 0)
        with pytest.raises(FaultError):
            checkpoints.flush()
    assert "the checkpoint at step 3 was not saved" in caplog.text
    s3.put_object = original
    checkpoints.save(write_state(tmp_path / "checkpoint-4", 4), 4, 0)
    checkpoints.flush()
    assert point_of(registry) is not None
    assert list((tmp_path / "waiting").iterdir()) == []


def test_unwritten_checkpoint_is_refused(registry: Database, checkpoints: Checkpoints, s3: Any, tmp_path: Path) -> None:
    checkpoints.save(tmp_path / "checkpoint-3", 3, 0)
    with pytest.raises(FaultError, match="checkpoint-3-0 was not written completely"):
        checkpoints.flush()
    assert s3.objects == {}


def test_next_checkpoint_waits_for_upload(store: ObjectStore, registry: Database, s3: Any, tmp_path: Path) -> None:
    begin_trial(registry, TRIAL, device="cpu")
    may_upload, original = threading.Event(), s3.put_object
    s3.put_object = lambda **arguments: (may_upload.wait(60), original(**arguments))
    with Checkpoints(store, registry, IDENTITY, tmp_path / "waiting", every=1e-9, clock=float) as checkpoints:
        (tmp_path / "waiting").mkdir()
        assert checkpoints.is_due()
        checkpoints.save(write_state(tmp_path / "checkpoint-3"), 3, 0)
        assert not checkpoints.is_due()
        may_upload.set()
        checkpoints.flush()
        assert checkpoints.is_due()


def fetched(store: ObjectStore, checkpoint: Checkpoint, folder: Path) -> Checkpoint | None:
    return fetch_checkpoint(store, checkpoint.id, IDENTITY, folder / "fetched")


@pytest.mark.parametrize("harm", ["gone", "cut short", "other bytes"])
def test_incomplete_checkpoint_is_not_used(
    store: ObjectStore, s3: Any, kept: Checkpoint, tmp_path: Path, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    key = "prefix/" + blob_key(kept.result.files[-1].sha256)
    if harm == "gone":
        del s3.objects[key]
    else:
        s3.objects[key] = s3.objects[key][:-1] if harm == "cut short" else b"x" * len(s3.objects[key])
    with caplog.at_level(logging.WARNING):
        assert fetched(store, kept, tmp_path) is None
    assert "training starts from the beginning" in caplog.text


def test_damaged_manifest_is_not_used(store: ObjectStore, s3: Any, kept: Checkpoint, tmp_path: Path) -> None:
    key = next(key for key in s3.objects if "/checkpoint/" in key)
    s3.objects[key] = s3.objects[key][:-9]
    assert fetched(store, kept, tmp_path) is None
    del s3.objects[key]
    assert fetched(store, kept, tmp_path) is None


def test_unreachable_store_is_a_fault(store: ObjectStore, s3: Any, kept: Checkpoint, tmp_path: Path) -> None:
    s3.download_file = lambda *_: (_ for _ in ()).throw(EndpointConnectionError(endpoint_url="memory"))
    with pytest.raises(StoreError):
        fetched(store, kept, tmp_path)


def test_other_trials_checkpoint_is_not_used(store: ObjectStore, kept: Checkpoint, tmp_path: Path) -> None:
    other = IDENTITY.model_copy(update={"snapshot": "6" * 64})
    assert fetch_checkpoint(store, kept.id, other, tmp_path / "fetched") is None


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_planted_pickle_is_not_run(store: ObjectStore, tmp_path: Path, name: str) -> None:
    folder = write_state(tmp_path / "written")
    torch.save({"state": Evil(tmp_path / "harmed")}, folder / name)
    assert fetched(store, keep(store, folder), tmp_path) is None
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize(
    "path", ["training_args.bin", "../optimizer.pt", "/etc/optimizer.pt", "model.py", "a/b/c.json"]
)
def test_unknown_file_is_not_fetched(store: ObjectStore, kept: Checkpoint, tmp_path: Path, path: str) -> None:
    planted = ModelFile(path=path, sha256=store.put_blob(b"planted"), size_bytes=7)
    identity = kept.key.model_copy(update={"step": 4})
    result = Checkpoint.Result(files=(*kept.result.files, planted), seconds=1)
    checkpoint = store.publish(Checkpoint(key=identity, result=result))
    assert fetched(store, checkpoint, tmp_path) is None
    assert b"planted" not in [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]


@pytest.mark.parametrize(
    "state", ["[]", "{", '{"global_step": 4, "max_steps": 9}', '{"global_step": 3, "max_steps": 2}']
)
def test_foreign_state_is_not_used(store: ObjectStore, tmp_path: Path, state: str) -> None:
    folder = write_state(tmp_path / "written")
    (folder / "trainer_state.json").write_text(state)
    assert fetched(store, keep(store, folder), tmp_path) is None


def test_upload_duration_is_measured(checkpoints: Checkpoints, tmp_path: Path) -> None:
    checkpoints.save(write_state(tmp_path / "checkpoint-3"), 3, 0)
    assert checkpoints._sent
    checkpoints._sent.result()
    assert checkpoints.seconds > 0


def test_same_step_is_saved_twice(checkpoints: Checkpoints, s3: Any, tmp_path: Path) -> None:
    may_go, put = threading.Event(), s3.put_object

    def wait(**arguments: Any) -> None:
        assert may_go.wait(60)
        put(**arguments)

    s3.put_object = wait
    for halvings in (0, 1):
        checkpoints.save(write_state(tmp_path / "checkpoint-3"), 3, halvings)
    may_go.set()
    checkpoints.flush()
    assert sum("/checkpoint/" in key for key in s3.objects) == 2


def test_checkpoint_needs_every_process(store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    folder = write_state(tmp_path / "checkpoint-3")
    (folder / "rng_state_0.pth").touch()
    with pytest.raises(FaultError, match="checkpoint-3 was not written completely"):
        upload_state(store, folder)
    (folder / "rng_state_1.pth").touch()
    assert upload_state(store, folder)
