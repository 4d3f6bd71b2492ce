"""Several processes that train one trial together."""

import logging
from collections.abc import Callable
from logging.handlers import BufferingHandler
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from nightloom.artifacts.blueprints import Blueprint, TrialPlan
from nightloom.artifacts.folders import put_folder
from nightloom.artifacts.models import BaseModelContent, BaseModelManifest, BaseModelProvenance
from nightloom.artifacts.training import Trial, TrialResult
from nightloom.base_models.freeze import freeze_base
from nightloom.core.errors import DivergenceError, InputError
from nightloom.core.store import ObjectStore
from nightloom.processes.parent import in_child
from nightloom.training.distributed import count_processes, go_first, lead, pick_rows, share_rows
from nightloom.trials.ranking import record_divergence
from nightloom.trials.train import run_trial, train_trial

from tests.conftest import PointSettings
from tests.factories.trials import plan_trial as planner

ROWS = [(f"{'the invoice is wrong ' * (1 + n % 3)}{n}", "billing" if n % 2 else "login") for n in range(9)]
"""Nine, so that the last of three batches of four is one row: one process gets it, and the other none."""


def make_plan(rows_a_batch: int, run_name: str = "") -> TrialPlan:
    given = {
        "bf16": False,
        "per_device_train_batch_size": rows_a_batch,
        "num_train_epochs": 2,
        "logging_steps": 1,
        "learning_rate": 1e-2,
        "run_name": run_name,
    }
    return TrialPlan.model_validate(
        {"trainer": "trl", "method": "lora", "lora": {"r": 4}, "settings": given, "seed": 3}
    )


def test_single_process_calls_directly() -> None:
    assert (count_processes(), lead(lambda: 7), go_first(lambda: 8)) == (1, 7, 8)


@pytest.mark.parametrize("rows", range(1, 9))
@pytest.mark.parametrize("processes", [2, 3])
def test_batch_rows_are_shared_once(rows: int, processes: int) -> None:
    batch = [{"input_ids": [number, number], "labels": [-100, number]} for number in range(rows)]
    shared = [pick_rows(batch, process, processes) for process in range(processes)]
    assert all(shared)
    learned = [row["labels"][1] for own in shared for row in own if row["labels"] != [-100, -100]]
    assert sorted(learned) == list(range(rows))


@pytest.fixture(scope="module")
def base(s3_store: ObjectStore, tiny_model: Path) -> str:
    manifest = BaseModelManifest(
        content=BaseModelContent(files=put_folder(s3_store, tiny_model)), provenance=BaseModelProvenance(source="tiny")
    )
    return s3_store.publish(manifest).id


@pytest.fixture(scope="module")
def plan(s3_store: ObjectStore) -> Callable[..., str]:
    """Publishes a blueprint in the real store, which other processes read too."""
    return planner.__wrapped__(s3_store)


class Together(NamedTuple):
    """A training by two processes, with the lines of their log."""

    result: TrialResult
    log: list[str]


@pytest.fixture(scope="module")
def together(
    s3_store: ObjectStore,
    point_settings: PointSettings,
    base: str,
    plan: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Together:
    # The run's name distinguishes the blueprints, and changes nothing else.
    blueprint = plan(base, make_plan(4, run_name="together"), ROWS)
    logger, handler = logging.getLogger("nightloom.processes"), BufferingHandler(1000)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    with point_settings(tmp_path_factory.mktemp("together")):
        trial = in_child(run_trial, processes=2)(blueprint_id=blueprint, trial_no=0)
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)
    return Together(s3_store.load(Trial, trial).result, [record.getMessage() for record in handler.buffer])


@pytest.mark.torch
@pytest.mark.timeout(300)
def test_training_log_has_only_our_lines(together: Together) -> None:
    assert {line.split()[0] for line in together.log} == {"9", "tokens", "labels:", "step", "adapter", "trial"}


@pytest.mark.torch
@pytest.mark.timeout(300)
def test_two_processes_match_one_process(
    s3_store: ObjectStore, point_settings: PointSettings, together: Together, base: str, plan: Any, tmp_path: Path
) -> None:
    two = together.result
    with point_settings(tmp_path):
        one = train_trial(s3_store, plan(base, make_plan(4, run_name="alone"), ROWS), 0).result
    assert [point.step for point in two.curve] == [1, 2, 3, 4, 5, 6]
    assert [point.loss for point in two.curve] == pytest.approx([point.loss for point in one.curve], abs=1e-5)
    assert (two.steps, two.examples, two.tokens) == (one.steps, one.examples, one.tokens)


def test_followers_end_when_first_fails(
    s3_store: ObjectStore, point_settings: PointSettings, plan: Any, tmp_path: Path
) -> None:
    blueprint = plan(freeze_base(s3_store, "dummy"), make_plan(2).model_copy(update={"trainer": "dummy"}), ROWS)
    with point_settings(tmp_path):
        record_divergence(s3_store, s3_store.load(Blueprint, blueprint).content, 0, DivergenceError("it diverged"))
        with pytest.raises(DivergenceError, match="it diverged"):
            in_child(run_trial, processes=2)(blueprint_id=blueprint, trial_no=0)


@pytest.mark.parametrize(
    ("rows", "order", "message"),
    [
        pytest.param(
            3,
            "group_by_length",
            "per_device_train_batch_size 3 cannot be divided among 2 processes",
            id="odd",
        ),
        pytest.param(4, "batch_rebalance", "they would be shared twice; write group_by_length", id="shared twice"),
    ],
)
def test_indivisible_batch_is_refused(monkeypatch: pytest.MonkeyPatch, rows: int, order: str, message: str) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    args = SimpleNamespace(per_device_train_batch_size=rows, train_sampling_strategy=order)
    with pytest.raises(InputError, match=message):
        share_rows(SimpleNamespace(args=args))
