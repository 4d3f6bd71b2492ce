"""Checkpoints: a trial's state, sent to the store while training goes on, and fetched from there whole or not at all.

The files are blobs, the manifest comes last, and after it the registry's line points to it: what was half-sent is
invisible. Nothing in a checkpoint is ever unpickled: torch's archives are read as tensors and plain values alone.
"""

import json
import logging
import re
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self

from nightloom.artifacts.ids import CheckpointId
from nightloom.artifacts.models import ModelFile
from nightloom.artifacts.training import Checkpoint, Trial, TrialKey
from nightloom.core.digests import short
from nightloom.core.errors import FaultError, ManifestError, NightloomError
from nightloom.core.store import ObjectStore
from nightloom.registry.database import Database
from nightloom.registry.trials import point_to_checkpoint
from nightloom.training.distributed import count_processes
from nightloom.training.resuming import STATE_FILE, written_to_disk

logger = logging.getLogger(__name__)

_ARCHIVE = re.compile(r"(optimizer|scheduler|scaler)\.pt|rng_state(_\d+)?\.pth")
_KEPT = re.compile(rf"{_ARCHIVE.pattern}|(\w[\w-]*/)?\w[\w.-]*\.(safetensors|json)")
"""What a checkpoint is made of; a folder in it may hold more weights, such as the best so far."""


class Checkpoints:
    """The checkpoints of a run: one is sent at a time, in the background.

    Args:
        store: Where they go.
        database: Whose line of the trial points to the last whole one.
        trial: Whose state they are.
        folder: Where those are that wait to be sent; on the disk that they are written to.
        every: Seconds from one to the next.
        clock: Tells the seconds that the trial has taken.
    """

    def __init__(
        self,
        store: ObjectStore,
        database: Database,
        trial: TrialKey,
        folder: Path,
        *,
        every: float,
        clock: Callable[[], float],
    ) -> None:
        self._store, self._database, self._trial, self._folder = store, database, trial, folder
        self._every, self._clock = every, clock
        self._begun = time.monotonic()
        self._background = ThreadPoolExecutor(1, thread_name_prefix="checkpoints")
        self._sent: Future[None] | None = None
        self.seconds = 0.0
        """What it took to send the last one."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._background.shutdown()

    def is_due(self) -> bool:
        """Whether it is time for the next; while one is on its way it is not."""
        is_sent = self._sent is None or self._sent.done()
        return is_sent and time.monotonic() - self._begun >= self._every

    def keep(self, folder: Path, step: int, halvings: int) -> None:
        """Take a folder over, send it to the store in the background, and remove it.

        What fails is said in the log, and is no end of the training: the next one may succeed.
        """
        self._begun = time.monotonic()
        taken = self._folder / f"{folder.name}-{halvings}"  # the same step of a larger batch may be on its way
        if folder.is_dir():
            folder.rename(taken)
        self._sent = self._background.submit(self._send, taken, step, halvings)

    def settle(self) -> None:
        """Wait for the last one.

        Raises:
            FaultError: It could not be kept.
        """
        if self._sent is not None:
            self._sent.result()

    def _send(self, folder: Path, step: int, halvings: int) -> None:
        started = time.monotonic()
        try:
            files = put_state(self._store, folder)
            key = Checkpoint.Key(trial=self._trial, step=step, halvings=halvings)
            result = Checkpoint.Result(files=files, seconds=round(self._clock(), 2))
            kept = self._store.publish(Checkpoint(key=key, result=result))
            point_to_checkpoint(self._database, Trial.id_of(self._trial), kept.id)
        except (NightloomError, OSError) as error:
            logger.warning("the checkpoint at step %d was not kept: %s", step, error)
            msg = f"the checkpoint at step {step} could not be kept: {error}"
            raise FaultError(msg) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self.seconds = time.monotonic() - started
        logger.info("checkpoint %s at step %d, %d bytes", short(kept.id), step, sum(f.size_bytes for f in files))


def put_state(store: ObjectStore, folder: Path) -> tuple[ModelFile, ...]:
    """Keep the files of a checkpoint's folder, those of its kinds alone, and give their names and digests.

    Raises:
        FaultError: There is no such folder: it could not be written.
    """
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    kept = [name for name in names if _KEPT.fullmatch(name)]
    processes = count_processes()
    parts = sum(name.startswith("rng_state_") for name in kept)  # each process writes its own
    if STATE_FILE not in kept or (processes > 1 and parts < processes):
        msg = f"{folder.name} was not written to the end"
        raise FaultError(msg)
    return tuple(
        ModelFile(path=name, sha256=store.put_file(folder / name), size_bytes=(folder / name).stat().st_size)
        for name in kept
    )


def fetch_checkpoint(
    store: ObjectStore, checkpoint_id: CheckpointId, trial: TrialKey, folder: Path
) -> Checkpoint | None:
    """Write a trial's checkpoint into a folder; nothing where it is not whole and sound, which the log says.

    Raises:
        FaultError: The store did not answer, or the disk is full.
    """
    try:
        checkpoint = store.load(Checkpoint, checkpoint_id)
        if checkpoint.key.trial != trial:
            msg = f"checkpoint {checkpoint_id} is another trial's"
            raise ManifestError(msg)
        _fetch_state(store, checkpoint.result.files, folder)
        _check_state(folder, checkpoint)
    except ManifestError as error:
        logger.warning("checkpoint %s cannot be used, and training begins anew: %s", short(checkpoint_id), error)
        return None
    return checkpoint


def _fetch_state(store: ObjectStore, files: Sequence[ModelFile], folder: Path) -> None:
    for file in files:
        if not _KEPT.fullmatch(file.path):
            msg = f"{file.path!r} is no part of a checkpoint"
            raise ManifestError(msg)
        with written_to_disk("a checkpoint's file"):
            store.fetch_file(file.sha256, folder / file.path)


def _check_state(folder: Path, checkpoint: Checkpoint) -> None:
    """Open every file as training will, before it does.

    Raises:
        ManifestError: One is not what a trainer wrote.
    """
    import torch
    from safetensors import safe_open
    from transformers.trainer_pt_utils import safe_globals

    name = STATE_FILE
    try:
        state = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
        if state["global_step"] != checkpoint.key.step or not state["max_steps"] >= state["global_step"]:
            msg = f"it says step {state['global_step']} of {state['max_steps']}"
            raise ValueError(msg)
        for file in checkpoint.result.files:
            name = file.path
            if _ARCHIVE.fullmatch(name):
                with safe_globals():  # numpy's arrays, which the state of chance is made of
                    torch.load(folder / name, map_location="cpu", mmap=True, weights_only=True)
            elif name.endswith(".safetensors"):
                with safe_open(folder / name, framework="pt"):
                    pass
    # What torch raises for bytes that it does not know has many classes.
    except Exception as error:
        msg = f"{name} in it is not what a trainer wrote ({type(error).__name__})"
        raise ManifestError(msg) from error
