"""A trial that was stopped somewhere and went on has the bits of one that never was."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from nightloom.artifacts.blueprints import TrialPlan
from nightloom.artifacts.models import Adapter
from nightloom.artifacts.training import Checkpoint, Trial
from nightloom.core.store import ObjectStore
from nightloom.registry.database import Database, open_database
from nightloom.registry.trials import point_to_checkpoint, read_curve, read_trial
from nightloom.training.runs import Run
from nightloom.training.trials import train_trial

pytestmark = pytest.mark.torch

Plan = Callable[..., str]

ROWS = [(f"the invoice {'of last month ' * (n % 4)}is wrong", ("billing", "login")[n % 2]) for n in range(14)]
EPOCH = 4  # 14 rows in batches of 4


class Killed(BaseException):
    """As sudden as a kill: nothing of ours catches it."""


def make_plan(method: str = "lora", lora: dict[str, Any] | None = None, **settings: Any) -> TrialPlan:
    settings = {
        "num_train_epochs": 3,
        "per_device_train_batch_size": 4,
        "learning_rate": 1e-2,
        "logging_steps": 3,
        **settings,
    }
    lora = {"r": 4, "lora_dropout": 0.2, **(lora or {})} if method == "lora" else {}
    return TrialPlan.model_validate({"trainer": "trl", "method": method, "lora": lora, "settings": settings, "seed": 3})


@pytest.fixture
def registry() -> Database:
    """That of the settings."""
    return open_database()


@pytest.fixture
def always_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after every step, each waited for."""
    monkeypatch.setattr(Run, "is_due", lambda self: True)
    original = Run.keep

    def keep(self: Run, *arguments: Any) -> None:
        original(self, *arguments)
        self.settle()

    monkeypatch.setattr(Run, "keep", keep)


@contextmanager
def killed_at(step: int) -> Iterator[None]:
    """Ends training when it tells of a step, after the checkpoint of the step before."""
    original = Run.tell

    def tell(self: Run, at: int, steps: int, metrics: Any) -> None:
        if at == step:
            raise Killed
        original(self, at, steps, metrics)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "tell", tell)
        with pytest.raises(Killed):
            yield


def weights_of(store: ObjectStore, trial: Trial) -> list[tuple[str, str]]:
    return [(file.path, file.sha256) for file in store.load(Adapter, trial.record.adapter).identity.files]


def checkpoints_of(store: ObjectStore, s3: Any) -> dict[int, str]:
    """Give the id of the checkpoint of each step."""
    names = [key.rpartition("/")[2].removesuffix(".json") for key in s3.objects if "/checkpoint/" in key]
    return {store.load(Checkpoint, name).identity.step: name for name in names}


def forget(s3: Any, kind: str = "trial") -> None:
    """Take away what was made, so that it is made again."""
    for key in [key for key in s3.objects if f"/{kind}/" in key]:
        del s3.objects[key]


def go_on_from(registry: Database, trial: str, checkpoint: str) -> None:
    """Leave the registry as a process that was killed after that checkpoint would."""
    point_to_checkpoint(registry, trial, checkpoint)


EMBEDDINGS = {"modules_to_save": ["embed_tokens"], "ensure_weight_tying": True}
PLANS = [
    pytest.param(make_plan(), id="grouped by length"),
    pytest.param(make_plan(train_sampling_strategy="random"), id="random order"),
    pytest.param(make_plan(gradient_accumulation_steps=2, per_device_train_batch_size=2), id="accumulation"),
    pytest.param(make_plan("full"), id="full"),
    pytest.param(make_plan(lora=EMBEDDINGS), id="embeddings"),
]


@pytest.mark.parametrize("plan", PLANS)
def test_trial_that_goes_on_has_the_same_bits(
    store: ObjectStore, registry: Database, s3: Any, tiny_base: str, plan_trial: Plan, always_due: None, plan: TrialPlan
) -> None:
    blueprint = plan_trial(tiny_base, plan, ROWS)
    whole = train_trial(store, blueprint, 0)
    checkpoints = checkpoints_of(store, s3)
    assert sorted(checkpoints) == list(range(1, 12))
    for step in (EPOCH, 2 * EPOCH + 2):  # after an epoch, and in the midst of the third
        forget(s3)
        go_on_from(registry, whole.id, checkpoints[step])
        gone_on = train_trial(store, blueprint, 0)
        assert gone_on.record.curve == whole.record.curve
        assert weights_of(store, gone_on) == weights_of(store, whole)


def test_killed_trial_goes_on_from_its_last_checkpoint(
    store: ObjectStore, registry: Database, s3: Any, tiny_base: str, plan_trial: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    blueprint = plan_trial(tiny_base, make_plan(), ROWS)
    whole = train_trial(store, blueprint, 0)
    assert not any("/checkpoint/" in key for key in s3.objects)  # none was due
    forget(s3)
    made: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(Run, "is_due", lambda self: True)
        with killed_at(7):
            train_trial(store, blueprint, 0)
    told = read_trial(registry, whole.id)
    assert told
    assert told.step == 6
    original = Run.tell
    monkeypatch.setattr(Run, "tell", lambda self, step, *rest: (made.append(step), original(self, step, *rest)))
    gone_on = train_trial(store, blueprint, 0)
    assert made[0] == 6
    assert weights_of(store, gone_on) == weights_of(store, whole)
    assert gone_on.record.curve == whole.record.curve
    assert read_curve(registry, whole.id, "loss") == [(point.step, point.loss) for point in whole.record.curve]
    finished = read_trial(registry, whole.id)
    assert finished
    assert (finished.step, finished.steps) == (12, 12)
    assert finished.finished_at is not None
    assert finished.seconds > told.seconds
