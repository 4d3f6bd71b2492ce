"""Training that is killed (SIGKILL) at random moments ends bit-equal to an uninterrupted training.

Real processes on a real object store: LoRA with dropout, batches grouped by length, three epochs, a checkpoint every
twentieth of a second, and a kill anywhere: while it loads, trains, saves, sends or publishes.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest
from nightloom.artifacts.blueprints import Blueprint, TrialPlan
from nightloom.artifacts.models import Adapter
from nightloom.artifacts.training import Checkpoint, Trial, identify_trial
from nightloom.base_models.starter import StarterSettings, pretrain_starter
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore
from nightloom.processes.parent import SHARING_CORES
from nightloom.registry.database import open_database
from nightloom.registry.store import open_store
from nightloom.registry.trials import TrialProgress, read_trial

from tests.factories.trials import publish_base, publish_blueprint

IN_A_RUN = 4
"""Maximum number of kills of one trial, so that it ends."""

EPOCH = 24
ROWS = [(f"the invoice {'of last month ' * (n % 3)}is wrong {n % 7}", ("billing", "login")[n % 2]) for n in range(96)]
PLAN = TrialPlan(
    trainer="trl",
    method="lora",
    lora={"r": 4, "lora_dropout": 0.1},
    settings={"num_train_epochs": 3, "per_device_train_batch_size": 4, "learning_rate": 5e-3},
    seed=3,
)

Install = Callable[[str], AbstractContextManager[tuple[ObjectStore, str]]]
PointSettings = Callable[..., AbstractContextManager[None]]


@dataclass
class Killed:
    """Counts of kills by moment."""

    count: int = 0
    moments: Counter[str] = field(default_factory=Counter)

    def note(self, before: TrialProgress | None, after: TrialProgress | None) -> None:
        """Classify a kill by what the process left: rows of the registry and folders."""
        self.count += 1
        left = list((get_settings().var_dir / "scratch").glob("*/checkpoint-*"))
        if after is None or after == before:
            self.moments["before training began"] += 1
            return
        self.moments["without a checkpoint"] += after.checkpoint is None
        self.moments["while a checkpoint was saved or sent"] += bool(left)
        step = step_of(after.checkpoint)
        self.moments[f"in epoch {min(3, step // EPOCH + 1)}"] += 1


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    settings = StarterSettings(
        vocabulary=300, hidden=32, layers=1, heads=2, inner=64, context=64, steps=3, rows=2, row_tokens=32
    )
    pretrain_starter(settings, folder, report=lambda line: None)
    return folder


@pytest.fixture
def install(point_settings: PointSettings, tmp_path: Path, tiny: Path) -> Install:
    """Return a context manager with a new installation and a blueprint in it."""

    @contextmanager
    def installed(name: str) -> Iterator[tuple[ObjectStore, str]]:
        folder = tmp_path / name
        folder.mkdir()
        prefix = f"{tmp_path.name}/{name}/"
        with point_settings(folder, STORE_PREFIX=prefix, CHECKPOINT_SECONDS="0.05"):
            store = open_store()
            yield store, publish_blueprint(store, publish_base(store, tiny), PLAN, ROWS)

    return installed


class Trainer:
    """Trains in a process that can be killed."""

    def __init__(self) -> None:
        pipe = subprocess.PIPE
        command = [sys.executable, str(Path(__file__).with_name("trainer.py"))]
        environment = {**SHARING_CORES, "OMP_NUM_THREADS": "1", **os.environ}
        self._process = subprocess.Popen(
            command, env=environment, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, bufsize=0
        )

    def wait(self) -> None:
        """Wait until it has imported what training needs."""
        assert self._process.stdout
        assert self._process.stdout.readline() == b"ready\n"

    def train(self, blueprint: str, kill_after_s: float | None = None) -> str | None:
        """Return the id of the trial, or nothing when it was killed before it ended."""
        assert self._process.stdin
        assert self._process.stdout
        settings = {name: value for name, value in os.environ.items() if name.startswith("NIGHTLOOM_")}
        answer = get_settings().var_dir / "answer.json"
        job = {"settings": settings, "arguments": {"blueprint_id": blueprint, "trial_no": 0}, "answer": str(answer)}
        self._process.stdin.write(json.dumps(job).encode() + b"\n")
        process = int(self._process.stdout.readline())
        if not select.select([self._process.stdout], [], [], kill_after_s)[0]:
            os.kill(process, signal.SIGKILL)
        answered = json.loads(self._process.stdout.readline())
        assert "error" not in answered, answered
        return answered.get("result")

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture
def trainer() -> Iterator[Trainer]:
    started = Trainer()
    yield started
    started.close()


def weights_of(store: ObjectStore, trial: str | None) -> list[tuple[str, str]]:
    assert trial
    adapter = store.load(Trial, trial).result.adapter
    return [(file.path, file.sha256) for file in store.load(Adapter, adapter).content.files]


def train_under_fire(trainer: Trainer, blueprint: str, random: Random, duration: float, killed: Killed) -> str:
    """Kill a trial at random moments until it ends."""
    for _ in range(IN_A_RUN):
        before = read(blueprint)
        if trial := trainer.train(blueprint, random.uniform(0.1, 1.6) * duration):
            return trial
        killed.note(before, read(blueprint))
    return str(trainer.train(blueprint))


@pytest.mark.parametrize(
    "kills",
    [
        pytest.param(2, id="sample", marks=pytest.mark.timeout(300)),
        pytest.param(50, id="whole", marks=pytest.mark.proof),
    ],
)
def test_killed_training_ends_bit_equal(install: Install, trainer: Trainer, kills: int) -> None:
    random, killed, runs = Random(4), Killed(), 0
    with install("whole") as (store, blueprint):
        trainer.wait()
        started = time.monotonic()
        whole = weights_of(store, trainer.train(blueprint))
        duration = time.monotonic() - started
    while killed.count < kills:
        runs += 1
        with install(f"killed-{runs}") as (store, blueprint):
            trial = train_under_fire(trainer, blueprint, random, duration, killed)
            assert weights_of(store, trial) == whole
    print(f"{killed.count} kills in {runs} trainings of {duration:.1f} s: {dict(killed.moments)}")  # noqa: T201


def read(blueprint: str) -> TrialProgress | None:
    key = identify_trial(open_store().load(Blueprint, blueprint).content, 0)
    return read_trial(open_database(), Trial.id_of(key))


def step_of(checkpoint: str | None) -> int:
    return open_store().load(Checkpoint, checkpoint).key.step if checkpoint else 0
