"""Checkpoints: a trial's state, uploaded in parallel with training, and fetched whole or not at all.

The files are blobs. The manifest is published last, and then the trial's row in the registry points to it, so a partial
upload is invisible. Nothing in a checkpoint is ever unpickled: torch's archives are read as tensors and plain values.
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
"""Files of a checkpoint; a subfolder may hold more weights, such as the best so far."""


class Checkpoints:
    """The checkpoints of an attempt: uploaded one at a time, in the background.

    Args:
        store: Where checkpoints go.
        database: The registry, whose row of the trial points to the last complete checkpoint.
        trial: The trial.
        folder: Where checkpoints wait for their upload; on the same disk as the trainer's output.
        every: Seconds between checkpoints.
        clock: Returns the device seconds of the trial.
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
        """Duration of the last upload."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._background.shutdown()

    def is_due(self) -> bool:
        """Whether the next checkpoint is due; never while one is being uploaded."""
        is_sent = self._sent is None or self._sent.done()
        return is_sent and time.monotonic() - self._begun >= self._every

    def save(self, folder: Path, step: int, halvings: int) -> None:
        """Move a checkpoint's folder away, upload it in the background, and remove it.

        A failure is logged and does not end training: the next checkpoint may succeed.
        """
        self._begun = time.monotonic()
        # With halvings: the same step of a larger batch may still wait for its upload.
        taken = self._folder / f"{folder.name}-{halvings}"
        if folder.is_dir():
            folder.rename(taken)
        self._sent = self._background.submit(self._send, taken, step, halvings)

    def flush(self) -> None:
        """Wait until the last checkpoint is uploaded.

        Raises:
            FaultError: The upload failed.
        """
        if self._sent is not None:
            self._sent.result()

    def _send(self, folder: Path, step: int, halvings: int) -> None:
        started = time.monotonic()
        try:
            files = upload_state(self._store, folder)
            key = Checkpoint.Key(trial=self._trial, step=step, halvings=halvings)
            result = Checkpoint.Result(files=files, seconds=round(self._clock(), 2))
            kept = self._store.publish(Checkpoint(key=key, result=result))
            point_to_checkpoint(self._database, Trial.id_of(self._trial), kept.id)
        except (NightloomError, OSError) as error:
            logger.warning("the checkpoint at step %d was not saved: %s", step, error)
            msg = f"the checkpoint at step {step} could not be saved: {error}"
            raise FaultError(msg) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self.seconds = time.monotonic() - started
        logger.info("checkpoint %s at step %d, %d bytes", short(kept.id), step, sum(f.size_bytes for f in files))


def upload_state(store: ObjectStore, folder: Path) -> tuple[ModelFile, ...]:
    """Upload the known files of a checkpoint's folder, and return their names and digests.

    Raises:
        FaultError: The folder is missing or incomplete.
    """
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    kept = [name for name in names if _KEPT.fullmatch(name)]
    processes = count_processes()
    parts = sum(name.startswith("rng_state_") for name in kept)  # Each process writes its own.
    if STATE_FILE not in kept or (processes > 1 and parts < processes):
        msg = f"{folder.name} was not written completely"
        raise FaultError(msg)
    return tuple(
        ModelFile(path=name, sha256=store.put_file(folder / name), size_bytes=(folder / name).stat().st_size)
        for name in kept
    )


def fetch_checkpoint(
    store: ObjectStore, checkpoint_id: CheckpointId, trial: TrialKey, folder: Path
) -> Checkpoint | None:
    """Write a trial's checkpoint into a folder, or return None and log the reason if it is incomplete or damaged.

    Raises:
        FaultError: The store did not respond, or the disk is full.
    """
    try:
        checkpoint = store.load(Checkpoint, checkpoint_id)
        if checkpoint.key.trial != trial:
            msg = f"checkpoint {checkpoint_id} belongs to another trial"
            raise ManifestError(msg)
        _fetch_state(store, checkpoint.result.files, folder)
        _check_state(folder, checkpoint)
    except ManifestError as error:
        logger.warning(
            "checkpoint %s cannot be used, training starts from the beginning: %s", short(checkpoint_id), error
        )
        return None
    return checkpoint


def _fetch_state(store: ObjectStore, files: Sequence[ModelFile], folder: Path) -> None:
    for file in files:
        if not _KEPT.fullmatch(file.path):
            msg = f"{file.path!r} is not a file of a checkpoint"
            raise ManifestError(msg)
        with written_to_disk("a checkpoint's file"):
            store.fetch_file(file.sha256, folder / file.path)


def _check_state(folder: Path, checkpoint: Checkpoint) -> None:
    """Open every file as training will.

    Raises:
        ManifestError: A file is not what a trainer wrote.
    """
    import torch
    from safetensors import safe_open
    from transformers.trainer_pt_utils import safe_globals

    name = STATE_FILE
    try:
        state = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
        if state["global_step"] != checkpoint.key.step or not state["max_steps"] >= state["global_step"]:
            msg = f"it names step {state['global_step']} of {state['max_steps']}"
            raise ValueError(msg)
        for file in checkpoint.result.files:
            name = file.path
            if _ARCHIVE.fullmatch(name):
                with safe_globals():  # The random state consists of numpy arrays.
                    torch.load(folder / name, map_location="cpu", mmap=True, weights_only=True)
            elif name.endswith(".safetensors"):
                with safe_open(folder / name, framework="pt"):
                    pass
    # torch raises errors of many classes for bytes that it cannot read.
    except Exception as error:
        msg = f"{name} in it is not what a trainer wrote ({type(error).__name__})"
        raise ManifestError(msg) from error
