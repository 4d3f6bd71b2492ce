"""Checkpoints in the store: sent in the background, whole or not at all, and never unpickled."""

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
from nightloom.trials.checkpoints import Checkpoints, fetch_checkpoint, put_state
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
    result = Checkpoint.Result(files=put_state(store, folder), seconds=1.5)
    return store.publish(Checkpoint(key=key, result=result))


def point_of(registry: Database) -> str | None:
    progress = read_trial(registry, TRIAL)
    assert progress
    return progress.checkpoint


def test_what_was_kept_is_fetched(
    store: ObjectStore, registry: Database, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    written = write_state(tmp_path / "checkpoint-3")
    bytes_of = {path.name: path.read_bytes() for path in written.iterdir()}
    checkpoints.keep(written, 3, 1)
    checkpoints.settle()
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


def test_manifest_comes_last(
    store: ObjectStore, registry: Database, checkpoints: Checkpoints, s3: Any, tmp_path: Path
) -> None:
    original = s3.put_object

    def refuse_manifests(**arguments: Any) -> None:
        if "manifests/" in arguments["Key"]:
            raise EndpointConnectionError(endpoint_url="memory")
        original(**arguments)

    s3.put_object = refuse_manifests
    checkpoints.keep(write_state(tmp_path / "checkpoint-3"), 3, 0)
    with pytest.raises(FaultError, match="checkpoint at step 3 could not be kept"):
        checkpoints.settle()
    assert len(s3.objects) == 3
    assert point_of(registry) is None


def test_one_that_failed_is_made_good_by_the_next(
    registry: Database, checkpoints: Checkpoints, s3: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    original = s3.put_object
    s3.put_object = lambda **_: (_ for _ in ()).throw(EndpointConnectionError(endpoint_url="memory"))
    with caplog.at_level(logging.WARNING):
        checkpoints.keep(write_state(tmp_path / "checkpoint-3"), 3, 0)
        with pytest.raises(FaultError):
            checkpoints.settle()
    assert "the checkpoint at step 3 was not kept" in caplog.text
    s3.put_object = original
    checkpoints.keep(write_state(tmp_path / "checkpoint-4", 4), 4, 0)
    checkpoints.settle()
    assert point_of(registry) is not None
    assert list((tmp_path / "waiting").iterdir()) == []


def test_one_that_was_not_written_is_no_checkpoint(
    registry: Database, checkpoints: Checkpoints, s3: Any, tmp_path: Path
) -> None:
    checkpoints.keep(tmp_path / "checkpoint-3", 3, 0)
    with pytest.raises(FaultError, match="checkpoint-3-0 was not written to the end"):
        checkpoints.settle()
    assert s3.objects == {}


def test_next_is_due_when_the_time_is_up_and_the_last_was_sent(
    store: ObjectStore, registry: Database, s3: Any, tmp_path: Path
) -> None:
    import threading

    begin_trial(registry, TRIAL, device="cpu")
    go_on, original = threading.Event(), s3.put_object
    s3.put_object = lambda **arguments: (go_on.wait(60), original(**arguments))
    with Checkpoints(store, registry, IDENTITY, tmp_path / "waiting", every=1e-9, clock=float) as checkpoints:
        (tmp_path / "waiting").mkdir()
        assert checkpoints.is_due()
        checkpoints.keep(write_state(tmp_path / "checkpoint-3"), 3, 0)
        assert not checkpoints.is_due()
        go_on.set()
        checkpoints.settle()
        assert checkpoints.is_due()


def fetched(store: ObjectStore, checkpoint: Checkpoint, folder: Path) -> Checkpoint | None:
    return fetch_checkpoint(store, checkpoint.id, IDENTITY, folder / "fetched")


@pytest.mark.parametrize("harm", ["gone", "cut short", "other bytes"])
def test_torn_checkpoint_is_not_used(
    store: ObjectStore, s3: Any, kept: Checkpoint, tmp_path: Path, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    key = "prefix/" + blob_key(kept.result.files[-1].sha256)
    if harm == "gone":
        del s3.objects[key]
    else:
        s3.objects[key] = s3.objects[key][:-1] if harm == "cut short" else b"x" * len(s3.objects[key])
    with caplog.at_level(logging.WARNING):
        assert fetched(store, kept, tmp_path) is None
    assert "training begins anew" in caplog.text


def test_damaged_or_missing_manifest_is_not_used(store: ObjectStore, s3: Any, kept: Checkpoint, tmp_path: Path) -> None:
    key = next(key for key in s3.objects if "/checkpoint/" in key)
    s3.objects[key] = s3.objects[key][:-9]
    assert fetched(store, kept, tmp_path) is None
    del s3.objects[key]
    assert fetched(store, kept, tmp_path) is None


def test_store_that_does_not_answer_is_a_fault(store: ObjectStore, s3: Any, kept: Checkpoint, tmp_path: Path) -> None:
    s3.download_file = lambda *_: (_ for _ in ()).throw(EndpointConnectionError(endpoint_url="memory"))
    with pytest.raises(StoreError):
        fetched(store, kept, tmp_path)


def test_checkpoint_of_another_trial_is_not_used(store: ObjectStore, kept: Checkpoint, tmp_path: Path) -> None:
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
def test_file_of_no_kind_of_ours_is_not_fetched(
    store: ObjectStore, kept: Checkpoint, tmp_path: Path, path: str
) -> None:
    planted = ModelFile(path=path, sha256=store.put_blob(b"planted"), size_bytes=7)
    identity = kept.key.model_copy(update={"step": 4})
    result = Checkpoint.Result(files=(*kept.result.files, planted), seconds=1)
    checkpoint = store.publish(Checkpoint(key=identity, result=result))
    assert fetched(store, checkpoint, tmp_path) is None
    assert b"planted" not in [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]


@pytest.mark.parametrize(
    "state", ["[]", "{", '{"global_step": 4, "max_steps": 9}', '{"global_step": 3, "max_steps": 2}']
)
def test_state_that_no_trainer_wrote_is_not_used(store: ObjectStore, tmp_path: Path, state: str) -> None:
    folder = write_state(tmp_path / "written")
    (folder / "trainer_state.json").write_text(state)
    assert fetched(store, keep(store, folder), tmp_path) is None


def test_how_long_sending_took_is_known_without_waiting_for_it(checkpoints: Checkpoints, tmp_path: Path) -> None:
    checkpoints.keep(write_state(tmp_path / "checkpoint-3"), 3, 0)
    assert checkpoints._sent
    checkpoints._sent.result()
    assert checkpoints.seconds > 0


def test_two_of_one_step_are_kept_though_the_first_is_still_on_its_way(
    checkpoints: Checkpoints, s3: Any, tmp_path: Path
) -> None:
    may_go, put = threading.Event(), s3.put_object

    def wait(**arguments: Any) -> None:
        assert may_go.wait(60)
        put(**arguments)

    s3.put_object = wait
    for halvings in (0, 1):
        checkpoints.keep(write_state(tmp_path / "checkpoint-3"), 3, halvings)
    may_go.set()
    checkpoints.settle()
    assert sum("/checkpoint/" in key for key in s3.objects) == 2


def test_one_that_a_process_wrote_no_part_of_is_no_checkpoint(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    folder = write_state(tmp_path / "checkpoint-3")
    (folder / "rng_state_0.pth").touch()
    with pytest.raises(FaultError, match="checkpoint-3 was not written to the end"):
        put_state(store, folder)
    (folder / "rng_state_1.pth").touch()
    assert put_state(store, folder)
