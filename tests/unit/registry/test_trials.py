"""Progress of trials in the registry."""

import pytest
from nightloom.core.errors import RegistryError
from nightloom.registry.database import Database
from nightloom.registry.trials import (
    MetricPoint,
    add_metrics,
    begin_trial,
    finish_trial,
    point_to_checkpoint,
    read_curve,
    read_trial,
    record_progress,
    resume_trial,
    sum_seconds,
)


def losses(*values: float, start: int = 1) -> list[MetricPoint]:
    return [MetricPoint("loss", step, value) for step, value in enumerate(values, start)]


def test_progress_is_read_back(registry: Database) -> None:
    begin_trial(registry, "a", device="cpu")
    record_progress(registry, "a", step=3, steps=9, seconds=1.5, metrics=losses(2.0, 1.0))
    point_to_checkpoint(registry, "a", "c" * 64)
    found = read_trial(registry, "a")
    assert found
    assert (found.step, found.steps, found.device, found.seconds, found.checkpoint) == (3, 9, "cpu", 1.5, "c" * 64)
    assert found.started_at <= found.seen_at
    assert found.finished_at is None
    assert read_curve(registry, "a", "loss") == [(1, 2.0), (2, 1.0)]


def test_attempt_seconds_add_up(registry: Database) -> None:
    begin_trial(registry, "a", device="cpu")
    record_progress(registry, "a", step=3, steps=9, seconds=10, metrics=())
    assert begin_trial(registry, "a", device="cpu").seconds == 10
    begin_trial(registry, "b", device="cpu")
    record_progress(registry, "b", step=1, steps=9, seconds=2.5, metrics=())
    assert sum_seconds(registry, ["a", "b", "never begun"]) == 12.5


def test_resuming_deletes_later_metrics(registry: Database) -> None:
    begin_trial(registry, "a", device="cpu")
    add_metrics(registry, "a", losses(4.0, 3.0, 2.0))
    add_metrics(registry, "b", losses(9.0, 9.0, 9.0))
    resume_trial(registry, "a", 2, "c" * 64)
    assert read_curve(registry, "a", "loss") == [(1, 4.0), (2, 3.0)]
    assert len(read_curve(registry, "b", "loss")) == 3


def test_checkpoint_is_kept_until_next_resume(registry: Database) -> None:
    begin_trial(registry, "a", device="cpu")
    point_to_checkpoint(registry, "a", "c" * 64)
    assert begin_trial(registry, "a", device="cpu").checkpoint == "c" * 64
    resume_trial(registry, "a", 0, None)
    assert begin_trial(registry, "a", device="cpu").checkpoint is None


def test_repeated_step_has_later_value(registry: Database) -> None:
    add_metrics(registry, "a", losses(4.0, 3.0))
    add_metrics(registry, "a", [*losses(2.0, 1.0, start=2), MetricPoint("grad_norm", 2, 0.5)])
    assert read_curve(registry, "a", "loss") == [(1, 4.0), (2, 2.0), (3, 1.0)]
    assert read_curve(registry, "a", "grad_norm") == [(2, 0.5)]


def test_non_finite_values_are_left_out(registry: Database) -> None:
    add_metrics(registry, "a", losses(4.0, float("nan"), float("inf")))
    assert read_curve(registry, "a", "loss") == [(1, 4.0)]


def test_finished_trial_stays_finished(registry: Database) -> None:
    begin_trial(registry, "a", device="cpu")
    finish_trial(registry, "a")
    first = read_trial(registry, "a")
    finish_trial(registry, "a")
    assert read_trial(registry, "a") == first
    assert first
    assert first.finished_at is not None
    assert begin_trial(registry, "a", device="cpu").finished_at is None


def test_finishing_unknown_trial_does_nothing(registry: Database) -> None:
    finish_trial(registry, "a")
    assert read_trial(registry, "a") is None


def test_progress_of_missing_trial_is_fault(registry: Database) -> None:
    with pytest.raises(RegistryError, match="train the trial again"):
        record_progress(registry, "a", step=1, steps=2, seconds=1, metrics=())
