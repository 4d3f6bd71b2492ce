"""A batch that does not fit the memory."""

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from nightloom.artifacts.blueprints import TrialPlan
from nightloom.artifacts.training import LossPoint
from nightloom.core.errors import OutOfBatchMemoryError, OutOfMemoryError
from nightloom.core.store import ObjectStore
from nightloom.training import sft
from nightloom.training.base import Training
from nightloom.training.memory import halve_batch, train_halving, translate_memory_errors
from nightloom.trials.attempts import Attempt
from nightloom.trials.train import train_trial

pytestmark = pytest.mark.torch

Plan = Callable[..., str]

DONE = Training(
    steps=1,
    examples=1,
    tokens=1,
    label_tokens=1,
    tokens_seen=1,
    left_out=0,
    curve=(LossPoint(step=1, loss=0.0, learning_rate=0.0),),
    kept_step=1,
    adjustments=("trained in 32 bits",),
)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), id="torch"),
        pytest.param(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"), id="cuBLAS"),
        pytest.param(RuntimeError("CUDA error: out of memory"), id="CUDA"),
        pytest.param(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), id="CPU"),
        pytest.param(MemoryError(), id="Python"),
    ],
)
def test_memory_errors_are_translated(error: Exception) -> None:
    with pytest.raises(OutOfBatchMemoryError, match="cpu ran out of memory at step 3"):  # noqa: SIM117
        with translate_memory_errors("cpu", lambda: "at step 3"):
            raise error


def test_cpu_memory_error_is_translated() -> None:
    with pytest.raises(OutOfBatchMemoryError), translate_memory_errors("cpu", lambda: "at step 3"):
        torch.empty(2**50)


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="size mismatch"), translate_memory_errors("cpu", lambda: "at step 3"):
        raise RuntimeError("size mismatch")  # noqa: EM101


@pytest.mark.parametrize(
    ("batch", "halvings", "halved"),
    [(32, 0, (32, 1)), (32, 1, (16, 2)), (32, 5, (1, 32)), (32, 9, (1, 32)), (5, 1, (2, 2)), (3, 1, (1, 3))],
)
def test_halving_keeps_the_step(batch: int, halvings: int, halved: tuple[int, int]) -> None:
    assert halve_batch(batch, 1, halvings) == halved


@given(batch=st.integers(1, 300), accumulation=st.integers(1, 9), halvings=st.integers(0, 9))
def test_step_shrinks_by_less_than_a_batch(batch: int, accumulation: int, halvings: int) -> None:
    size, times = halve_batch(batch, accumulation, halvings)
    assert 0 <= batch * accumulation - size * times < size <= batch


def fit(most: int, batch: int) -> Callable[[int], Training]:
    """A training in which only batches up to a size fit."""

    def train(halvings: int) -> Training:
        if halve_batch(batch, 1, halvings)[0] > most:
            with translate_memory_errors("cpu", lambda: "at step 3"):
                raise MemoryError
        return DONE

    return train


@pytest.mark.parametrize(
    ("most", "batch", "adjustments"),
    [
        pytest.param(32, 32, (), id="it fits"),
        pytest.param(
            16,
            32,
            ("cpu ran out of memory at step 3 with a batch of 32; trained with a batch of 16, accumulated 2 times",),
            id="halved",
        ),
        pytest.param(
            4,
            32,
            ("cpu ran out of memory at step 3 with a batch of 8; trained with a batch of 4, accumulated 8 times",),
            id="halved thrice",
        ),
        pytest.param(
            2,
            5,
            (
                "cpu ran out of memory at step 3 with a batch of 5; trained with a batch of 2, accumulated 2 times: "
                "4 examples per step instead of 5",
            ),
            id="odd",
        ),
    ],
)
def test_batch_is_halved_until_it_fits(most: int, batch: int, adjustments: tuple[str, ...]) -> None:
    assert train_halving(fit(most, batch), batch).adjustments == (*adjustments, "trained in 32 bits")


def test_resumed_attempt_keeps_halved_batch() -> None:
    seen = []

    def train(halvings: int) -> Training:
        seen.append(halvings)
        return DONE

    adjustment = train_halving(train, 32, 2, halvings=2).adjustments[0]
    assert seen == [2]
    assert adjustment == (
        "a batch of 32 did not fit into memory in an earlier attempt; trained with a batch of 8, accumulated 8 times"
    )


def test_too_large_batch_of_one_is_refused() -> None:
    with pytest.raises(OutOfMemoryError, match=r"with a batch of 1; set train\.settings\.gradient_checkpointing"):
        train_halving(fit(0, 4), 4)


def test_process_does_not_restart_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(OutOfBatchMemoryError, match=r"with a batch of 4; all 2 processes .* \(halvings: 2\)"):
        train_halving(fit(2, 8), 8, halvings=1)


@pytest.mark.parametrize(
    ("batch", "set_what"),
    [
        pytest.param(2, "set train.settings.gradient_checkpointing", id="a row for each"),
        pytest.param(6, "set another per_device_train_batch_size", id="half of it cannot be divided"),
    ],
)
def test_each_process_needs_a_row(monkeypatch: pytest.MonkeyPatch, batch: int, set_what: str) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(OutOfMemoryError, match=rf"with a batch of {batch}; {set_what}") as raised:
        train_halving(fit(1, batch), batch)
    assert type(raised.value) is OutOfMemoryError


def test_failed_attempt_frees_memory() -> None:
    alive: list[weakref.ref[Any]] = []

    class Model:
        def step(self) -> None:
            raise MemoryError

    def train(halvings: int) -> Training:
        gc.disable()
        assert [one() for one in alive] == [None] * halvings
        model = Model()
        alive.append(weakref.ref(model))
        if halvings < 2:
            with translate_memory_errors("cpu", lambda: f"at step {model.step.__name__}"):
                model.step()
        return DONE

    try:
        train_halving(train, 4)
    finally:
        gc.enable()


def test_halved_trial_makes_same_steps(
    store: ObjectStore, tiny_base: str, plan_trial: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"max_steps": 3, "per_device_train_batch_size": 4, "learning_rate": 1e-2, "logging_steps": 1}
    plan = TrialPlan(trainer="trl", method="lora", lora={"r": 4}, settings=settings, seed=3)
    whole = train_trial(store, plan_trial(tiny_base, plan), 0).result
    choose = sft.choose_trainer

    def choose_limited() -> type[Any]:
        class Limited(choose()):  # type: ignore[misc]
            def compute_loss(self, model: Any, inputs: dict[str, Any], *more: Any, **named: Any) -> Any:
                if len(inputs["input_ids"]) > 2 and self.state.global_step == 1:
                    msg = "CUDA out of memory. Tried to allocate 2 GiB"
                    raise torch.OutOfMemoryError(msg)
                return super().compute_loss(model, inputs, *more, **named)

        return Limited

    monkeypatch.setattr(sft, "choose_trainer", choose_limited)
    again = plan.model_copy(update={"settings": {**settings, "logging_steps": 1.0}})
    halved = train_trial(store, plan_trial(tiny_base, again), 0).result
    assert halved.adjustments == (
        "cpu ran out of memory at step 2 with a batch of 4; trained with a batch of 2, accumulated 2 times",
    )
    assert halved.steps == 3
    assert [p.loss for p in halved.curve] == pytest.approx([p.loss for p in whole.curve], abs=2e-3)


def test_halved_trial_ignores_larger_checkpoints(
    store: ObjectStore, s3: Any, tiny_base: str, plan_trial: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"max_steps": 2, "per_device_train_batch_size": 4}
    blueprint = plan_trial(tiny_base, TrialPlan(trainer="trl", method="lora", lora={"r": 4}, settings=settings, seed=3))
    monkeypatch.setattr(Attempt, "is_save_due", lambda self: True)
    train_trial(store, blueprint, 0)
    assert any("/checkpoint/" in key for key in s3.objects)
    for key in [key for key in s3.objects if "/trial/" in key]:
        del s3.objects[key]
    seen: list[int] = []
    original = Attempt.on_step
    monkeypatch.setattr(Attempt, "on_step", lambda self, step, *rest: (seen.append(step), original(self, step, *rest)))
    result = train_trial(store, blueprint, 0, halvings=1).result
    assert seen[0] == 0
    assert result.adjustments == (
        "a batch of 4 did not fit into memory in an earlier attempt; trained with a batch of 2, accumulated 2 times",
    )
