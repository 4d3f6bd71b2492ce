"""A trial that was stopped and resumed has the same bits as one that was not."""

import logging
import resource
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from nightloom.artifacts.blueprints import Blueprint, TrialPlan
from nightloom.artifacts.models import Adapter
from nightloom.artifacts.training import Checkpoint, Trial, identify_trial
from nightloom.core.errors import (
    BudgetError,
    ConflictError,
    DivergenceError,
    FaultError,
    InputError,
    ManifestError,
    RegistryError,
    StoreError,
)
from nightloom.core.store import ObjectStore
from nightloom.recipes.training import Budget, EarlyStopping, Pruning
from nightloom.registry.database import Database, open_database
from nightloom.registry.tables import LeaseRow
from nightloom.registry.trials import begin_trial, point_to_checkpoint, read_curve, read_trial, record_progress
from nightloom.training import sft
from nightloom.trials import attempts, heartbeat
from nightloom.trials import train as trials
from nightloom.trials.attempts import Attempt
from nightloom.trials.lock import TrialLock
from nightloom.trials.train import train_to_rung, train_trial
from sqlalchemy import update
from transformers import Trainer

from tests.conftest import s3_error
from tests.factories.trials import publish_blueprint, publish_rows

pytestmark = pytest.mark.torch

Plan = Callable[..., str]

ROWS = [(f"the invoice {'of last month ' * (n % 4)}is wrong", ("billing", "login")[n % 2]) for n in range(10)]
EPOCH = 3  # 10 rows in batches of 4


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


def stop_early(plan: TrialPlan) -> TrialPlan:
    """With some evaluations, and a patience that never ends the training."""
    return plan.model_copy(update={"early_stopping": EarlyStopping(every=0.2, patience=50)})


@pytest.fixture
def registry() -> Database:
    """The registry of the settings."""
    return open_database()


@pytest.fixture
def always_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after every step, each waited for."""
    save_after(monkeypatch, range(1, 100))


def save_after(monkeypatch: pytest.MonkeyPatch, steps: Collection[int]) -> None:
    """Save a checkpoint after these steps, and wait for its upload."""
    monkeypatch.setattr(Attempt, "is_save_due", lambda self: self._heartbeat._step in steps)
    original = Attempt.on_save

    def save(self: Attempt, *arguments: Any) -> None:
        original(self, *arguments)
        self.flush()

    monkeypatch.setattr(Attempt, "on_save", save)


@contextmanager
def killed_at(step: int) -> Iterator[None]:
    """End training when it reports a step, after the checkpoint of the step before."""
    original = Attempt.on_step

    def on_step(self: Attempt, at: int, steps: int, metrics: Any) -> None:
        if at == step:
            raise Killed
        original(self, at, steps, metrics)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Attempt, "on_step", on_step)
        with pytest.raises(Killed):
            yield


def weights_of(store: ObjectStore, trial: Trial) -> list[tuple[str, str]]:
    return [(file.path, file.sha256) for file in store.load(Adapter, trial.result.adapter).content.files]


def checkpoints_of(store: ObjectStore, s3: Any) -> dict[int, str]:
    """Return the id of the checkpoint of each step."""
    names = [key.rpartition("/")[2].removesuffix(".json") for key in s3.objects if "/checkpoint/" in key]
    return {store.load(Checkpoint, name).key.step: name for name in names}


def forget(s3: Any, kind: str = "trial") -> None:
    """Take away what was made, so that it is made again."""
    for key in [key for key in s3.objects if f"/{kind}/" in key]:
        del s3.objects[key]


EMBEDDINGS = {"modules_to_save": ["embed_tokens"], "ensure_weight_tying": True}
PLANS = [
    pytest.param(make_plan(), id="grouped by length"),
    pytest.param(make_plan(train_sampling_strategy="random"), id="random order"),
    pytest.param(make_plan(gradient_accumulation_steps=2, per_device_train_batch_size=2), id="accumulation"),
    pytest.param(make_plan("full"), id="full"),
    pytest.param(make_plan(lora=EMBEDDINGS), id="embeddings"),
    pytest.param(make_plan(packing=True, max_length=64, per_device_train_batch_size=1), id="packing"),
    pytest.param(stop_early(make_plan(learning_rate=0.1)), id="early stopping"),
]


@pytest.mark.parametrize("plan", PLANS)
def test_resumed_trial_has_same_bits(
    store: ObjectStore,
    registry: Database,
    s3: Any,
    tiny_base: str,
    monkeypatch: pytest.MonkeyPatch,
    plan: TrialPlan,
) -> None:
    steps = (EPOCH, 2 * EPOCH + 2)  # after an epoch, and in the midst of the third
    save_after(monkeypatch, steps)
    snapshot = publish_rows(store, [*ROWS, *ROWS[:3]], selection=3)
    blueprint = publish_blueprint(store, tiny_base, plan, snapshot=snapshot)
    whole = train_trial(store, blueprint, 0)
    checkpoints = checkpoints_of(store, s3)
    assert tuple(sorted(checkpoints)) == steps
    for step in steps:
        forget(s3)
        point_to_checkpoint(registry, whole.id, checkpoints[step])
        resumed = train_trial(store, blueprint, 0)
        assert resumed.result.curve == whole.result.curve
        assert resumed.result.held_out == whole.result.held_out
        assert weights_of(store, resumed) == weights_of(store, whole)


def test_resumed_early_stopping_has_same_bits(
    store: ObjectStore, registry: Database, s3: Any, tiny_base: str, always_due: None
) -> None:
    plan = make_plan(learning_rate=0.5).model_copy(update={"early_stopping": EarlyStopping(every=0.1, patience=3)})
    snapshot = publish_rows(store, [*ROWS, *ROWS[:3]], selection=3)
    blueprint = publish_blueprint(store, tiny_base, plan, snapshot=snapshot)
    whole = train_trial(store, blueprint, 0)
    assert whole.result.kept_step == whole.result.steps - 3 < 6
    checkpoints = checkpoints_of(store, s3)
    assert max(checkpoints) == whole.result.steps
    for step in (whole.result.kept_step + 1, whole.result.steps):  # past the best evaluation, and after the last
        forget(s3)
        point_to_checkpoint(registry, whole.id, checkpoints[step])
        resumed = train_trial(store, blueprint, 0)
        assert resumed.result.held_out == whole.result.held_out
        assert resumed.result.steps == whole.result.steps
        assert weights_of(store, resumed) == weights_of(store, whole)


def test_killed_trial_resumes_from_checkpoint(
    store: ObjectStore, registry: Database, s3: Any, tiny_base: str, plan_trial: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    blueprint = plan_trial(tiny_base, make_plan(), ROWS)
    whole = train_trial(store, blueprint, 0)
    assert not any("/checkpoint/" in key for key in s3.objects)  # none was due
    forget(s3)
    made: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(Attempt, "is_save_due", lambda self: True)
        with killed_at(5):
            train_trial(store, blueprint, 0)
    killed = read_trial(registry, whole.id)
    assert killed
    assert killed.step == 4
    original = Attempt.on_step
    monkeypatch.setattr(Attempt, "on_step", lambda self, step, *rest: (made.append(step), original(self, step, *rest)))
    resumed = train_trial(store, blueprint, 0)
    assert made[0] == 4
    assert weights_of(store, resumed) == weights_of(store, whole)
    assert resumed.result.curve == whole.result.curve
    assert read_curve(registry, whole.id, "loss") == [(point.step, point.loss) for point in whole.result.curve]
    finished = read_trial(registry, whole.id)
    assert finished
    assert (finished.step, finished.steps) == (9, 9)
    assert finished.finished_at is not None
    assert finished.seconds > killed.seconds


def test_halted_trial_has_same_bits(
    store: ObjectStore, registry: Database, s3: Any, tiny_base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    blueprint = publish_blueprint(
        store,
        tiny_base,
        make_plan(),
        snapshot=publish_rows(store, [*ROWS, *ROWS[:3]], selection=3),
        pruning=Pruning(rungs=(0.34, 0.67)),
    )
    whole = train_trial(store, blueprint, 0)
    forget(s3)
    first, second = (train_to_rung(store, blueprint, 0, rung) for rung in (0, 1))
    assert [rung.result.held_out.step for rung in (first, second)] == [3, 6]
    assert sorted(checkpoints_of(store, s3)) == [3, 6]
    assert first.result.held_out.n == 3
    resumed = train_trial(store, blueprint, 0)
    assert weights_of(store, resumed) == weights_of(store, whole)
    assert resumed.result.curve == whole.result.curve

    # From the same checkpoint without a step, and from scratch if the checkpoint is past the rung.
    forget(s3, "rung")
    assert train_to_rung(store, blueprint, 0, 1).result == second.result
    forget(s3, "rung")
    assert train_to_rung(store, blueprint, 0, 0).result == first.result
    monkeypatch.setattr(trials, "TRAINERS", {})
    assert train_to_rung(store, blueprint, 0, 0) == first


def test_unplanned_rung_is_refused(store: ObjectStore, tiny_base: str, plan_trial: Plan) -> None:
    with pytest.raises(InputError, match="plans 0 rungs; 0 is not one of them"):
        train_to_rung(store, plan_trial(tiny_base, make_plan(), ROWS), 0, 0)


def test_rung_without_selection_is_refused(store: ObjectStore, tiny_base: str) -> None:
    blueprint = publish_blueprint(store, tiny_base, make_plan(max_steps=2), ROWS, pruning=Pruning(rungs=(0.5,)))
    with pytest.raises(InputError, match=r"only 0 of its examples are usable; raise prepare\.split\.selection"):
        train_to_rung(store, blueprint, 0, 0)


@pytest.fixture
def minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step takes a minute, and nothing else takes any time."""
    now = [0.0]
    original = Attempt.is_save_due

    def is_save_due(self: Attempt) -> bool:
        now[0] += 60
        return original(self)

    monkeypatch.setattr(Attempt, "is_save_due", is_save_due)
    for module in (attempts, heartbeat):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))


def test_raised_budget_resumes_from_checkpoint(
    store: ObjectStore, registry: Database, s3: Any, tiny_base: str, plan_trial: Plan, minutes: None
) -> None:
    whole = train_trial(store, plan_trial(tiny_base, make_plan(), ROWS), 0)
    forget(s3)
    spent_before = begin_trial(registry, whole.id, device="cpu").seconds / 60
    spent = []
    for budget in (spent_before + 5, spent_before + 10):
        blueprint = publish_blueprint(store, tiny_base, make_plan(), ROWS, budget=Budget(gpu_minutes=budget))
        with pytest.raises(
            BudgetError, match=rf"of {budget:g} minutes .* and training continues from its last checkpoint"
        ):
            train_trial(store, blueprint, 0)
        progress = read_trial(registry, whole.id)
        assert progress
        assert progress.checkpoint == checkpoints_of(store, s3)[progress.step]
        assert progress.seconds <= budget * 60
        spent.append(progress.step)
    assert 0 < spent[0] < spent[1] < 9
    resumed = train_trial(store, plan_trial(tiny_base, make_plan(), ROWS), 0)
    assert weights_of(store, resumed) == weights_of(store, whole)


def test_spent_budget_trains_nothing(
    store: ObjectStore, registry: Database, tiny_base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = (make_plan(), make_plan(learning_rate=2e-2))
    blueprint = publish_blueprint(store, tiny_base, plans[0], ROWS, trials=plans, budget=Budget(gpu_minutes=1))
    other = Trial.id_of(identify_trial(store.load(Blueprint, blueprint).content, 1))
    begin_trial(registry, other, device="cpu")
    record_progress(registry, other, step=5, steps=9, seconds=60)
    monkeypatch.setattr(trials, "TRAINERS", {})
    with pytest.raises(BudgetError, match=r"1\.00 of 1 minutes"):
        train_trial(store, blueprint, 0)


def test_diverged_training_is_refused(store: ObjectStore, tiny_base: str, plan_trial: Plan, s3: Any) -> None:
    plan = make_plan("full", learning_rate=1e20, max_grad_norm=1e20, logging_steps=50)
    with pytest.raises(DivergenceError, match=r"training diverged by step \d+ .*; lower train.settings.learning_rate"):
        train_trial(store, plan_trial(tiny_base, plan, ROWS), 0)
    assert not any("/adapter/" in key for key in s3.objects)


@contextmanager
def full_disk() -> Iterator[None]:
    """No file may grow beyond some kilobytes: writing fails as on a full disk, in C++ and Rust too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def on_a_full_disk(write: Callable[..., Any]) -> Callable[..., Any]:
    def fail(*arguments: Any, **named: Any) -> Any:
        with full_disk():
            return write(*arguments, **named)

    return fail


def test_full_disk_loses_only_the_checkpoint(
    store: ObjectStore,
    s3: Any,
    tiny_base: str,
    plan_trial: Plan,
    always_due: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(Attempt, "flush", lambda self: None)
    full = on_a_full_disk(Trainer._save_checkpoint)
    original = Trainer._save_checkpoint

    def save(self: Any, *arguments: Any) -> None:
        (full if self.state.global_step == 2 else original)(self, *arguments)

    monkeypatch.setattr(Trainer, "_save_checkpoint", save)
    with caplog.at_level(logging.WARNING, "nightloom"):
        trial = train_trial(store, plan_trial(tiny_base, make_plan(max_steps=4), ROWS), 0)
    assert "a checkpoint could not be written to disk" in caplog.text
    assert sorted(checkpoints_of(store, s3)) == [1, 3]
    assert trial.result.steps == 4


def test_full_disk_while_saving_adapter_resumes(
    store: ObjectStore, s3: Any, tiny_base: str, plan_trial: Plan, always_due: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    blueprint = plan_trial(tiny_base, make_plan(max_steps=4), ROWS)
    with monkeypatch.context() as patch:
        patch.setattr(sft, "_save", on_a_full_disk(sft._save))
        with pytest.raises(FaultError, match="the adapter could not be written to disk"):
            train_trial(store, blueprint, 0)
    assert not any("/adapter/" in key for key in s3.objects)
    seen: list[int] = []
    original = Attempt.on_step
    monkeypatch.setattr(Attempt, "on_step", lambda self, step, *rest: (seen.append(step), original(self, step, *rest)))
    assert train_trial(store, blueprint, 0).result.steps == 4
    assert seen[0] == 3


def test_failing_store_loses_only_checkpoints(
    store: ObjectStore, s3: Any, tiny_base: str, plan_trial: Plan, always_due: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Attempt, "flush", lambda self: None)
    original = s3.put_object

    def put(**arguments: Any) -> None:
        if "/checkpoint/" in arguments["Key"] and len(refused) < 10:
            refused.append(arguments["Key"])
            raise EndpointConnectionError(endpoint_url="memory")
        original(**arguments)

    refused: list[str] = []
    s3.put_object = put
    trial = train_trial(store, plan_trial(tiny_base, make_plan(max_steps=4), ROWS), 0)
    assert trial.result.steps == 4
    assert sorted(checkpoints_of(store, s3)) == [3]  # of each of the two before, five tries failed


def test_unreachable_registry_delays_no_step(
    store: ObjectStore,
    registry: Database,
    tiny_base: str,
    plan_trial: Plan,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(heartbeat, "_EVERY_S", 1e-3)
    away = threading.Event()
    original, original_step = heartbeat.record_progress, Attempt.on_step

    def record_progress(*arguments: Any, **named: Any) -> None:
        if not away.is_set():
            failed.release()
            msg = "away"
            raise RegistryError(msg)
        original(*arguments, **named)

    def on_step(self: Attempt, step: int, *rest: Any) -> None:
        original_step(self, step, *rest)
        if step == 3 and not away.is_set():
            assert failed.acquire(timeout=60)
            away.set()

    failed = threading.Semaphore(0)
    monkeypatch.setattr(heartbeat, "record_progress", record_progress)
    monkeypatch.setattr(Attempt, "on_step", on_step)
    with caplog.at_level(logging.WARNING, "nightloom"):
        trial = train_trial(store, plan_trial(tiny_base, make_plan(max_steps=5, logging_steps=1), ROWS), 0)
    assert "progress could not be reported to the registry: away" in caplog.text
    assert [step for step, _ in read_curve(registry, trial.id, "loss")] == [1, 2, 3, 4, 5]
    assert len(read_curve(registry, trial.id, "tokens_per_second")) == 5
    assert len(read_curve(registry, trial.id, "grad_norm")) == 5


def test_unreachable_registry_fails_the_end(
    store: ObjectStore, tiny_base: str, plan_trial: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    blueprint = plan_trial(tiny_base, make_plan(max_steps=1), ROWS)
    with monkeypatch.context() as patch:
        patch.setattr(heartbeat, "record_progress", lambda *_, **__: (_ for _ in ()).throw(RegistryError("away")))
        with pytest.raises(RegistryError, match="away"):
            train_trial(store, blueprint, 0)
    assert train_trial(store, blueprint, 0).result.steps == 1


def test_waiting_trainer_reuses_trial(
    store: ObjectStore, tiny_base: str, plan_trial: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    blueprint = plan_trial(tiny_base, make_plan(max_steps=1), ROWS)
    with monkeypatch.context() as patch:
        acquire, trained = TrialLock.acquire, []

        def wait(lock: TrialLock) -> None:
            patch.undo()
            trained.append(train_trial(store, blueprint, 0))  # by the other, while this one waits
            acquire(lock)

        patch.setattr(TrialLock, "acquire", wait)
        assert [train_trial(store, blueprint, 0)] == trained


def test_trainer_without_lock_ends(
    store: ObjectStore, registry: Database, tiny_base: str, plan_trial: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "_EVERY_S", 1e-3)
    blueprint = plan_trial(tiny_base, make_plan(max_steps=100), ROWS)
    original, taken = Attempt.on_step, threading.Event()

    def on_step(self: Attempt, step: int, *rest: Any) -> None:
        if step == 2 and not taken.is_set():
            taken.set()
            with registry.transaction() as session:
                session.execute(update(LeaseRow).values(holder="elsewhere:1"))
        original(self, step, *rest)

    monkeypatch.setattr(Attempt, "on_step", on_step)
    with pytest.raises(
        ConflictError, match=r"lost the lock of trial .* to elsewhere:1, which has been training this trial since"
    ):
        train_trial(store, blueprint, 0)


@pytest.mark.parametrize("kind", ["base", "snapshot"])
def test_damaged_input_is_named(store: ObjectStore, s3: Any, tiny_base: str, plan_trial: Plan, kind: str) -> None:
    blueprint = plan_trial(tiny_base, make_plan(max_steps=1), ROWS)
    for key in [key for key in s3.objects if f"manifests/{kind}/" in key]:
        s3.objects[key] = s3.objects[key][:-9]
    with pytest.raises(ManifestError, match=f"{kind} manifest .* is not readable .* restore it from a backup"):
        train_trial(store, blueprint, 0)


def test_refused_adapter_is_a_fault(store: ObjectStore, s3: Any, tiny_base: str, plan_trial: Plan) -> None:
    original = s3.put_object

    def put(**arguments: Any) -> None:
        if "/adapter/" in arguments["Key"]:
            raise s3_error("AccessDenied", 403)  # noqa: EM101  # an S3 code, not a message
        original(**arguments)

    s3.put_object = put
    with pytest.raises(StoreError, match="AccessDenied"):
        train_trial(store, plan_trial(tiny_base, make_plan(max_steps=1), ROWS), 0)
