"""The end of a diverged training, and a warmup that outlasts its training."""

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from nightloom.core.errors import DivergenceError
from nightloom.training.base import TrainingControl
from nightloom.training.progress import describe_warmup, make_progress

NAN, INF = float("nan"), float("inf")


def log(*, fp16: bool, **logs: float) -> None:
    state = SimpleNamespace(global_step=7, max_steps=9, epoch=0.5)
    progress = make_progress(100, TrainingControl())
    progress.on_log(SimpleNamespace(fp16=fp16), state, None, {"learning_rate": 1e-3, **logs})


@pytest.mark.torch
@pytest.mark.parametrize(
    ("fp16", "logs", "what"),
    [
        pytest.param(False, {"loss": NAN, "grad_norm": 1.0}, "loss nan", id="loss"),
        pytest.param(False, {"loss": 1.0, "grad_norm": INF}, "grad_norm inf", id="gradients"),
        pytest.param(True, {"loss": NAN, "grad_norm": 1.0}, "loss nan", id="loss in fp16"),
    ],
)
def test_non_finite_metric_ends_training(fp16: bool, logs: dict[str, float], what: str) -> None:
    with pytest.raises(DivergenceError, match=rf"training diverged by step 7 \({what}\); lower"):
        log(fp16=fp16, **logs)


@pytest.mark.torch
def test_skipped_fp16_step_is_allowed() -> None:
    log(fp16=True, loss=1.0, grad_norm=INF)


@pytest.fixture
def arguments(tmp_path: Path) -> Any:
    """Return a function that makes a trainer's arguments."""
    from transformers import TrainingArguments

    return lambda **given: TrainingArguments(output_dir=str(tmp_path), use_cpu=True, learning_rate=4e-3, **given)


@pytest.mark.torch
@pytest.mark.parametrize("warmup", [500, 40], ids=["far too long", "as long as the training"])
def test_warmup_beyond_the_end_is_reported(arguments: Any, warmup: int, caplog: pytest.LogCaptureFixture) -> None:
    given = arguments(warmup_steps=warmup)
    said = (
        f"the learning rate never reaches 0.004, because training has 40 steps and train.settings.warmup_steps is "
        f"{warmup}; lower it, or write a share of the steps, such as 0.1"
    )
    assert describe_warmup(given, 40) == said
    with caplog.at_level(logging.WARNING, "nightloom"):
        state = SimpleNamespace(global_step=0, max_steps=40, epoch=0.0)
        make_progress(100, TrainingControl()).on_train_begin(given, state, None)
    assert said in caplog.messages


@pytest.mark.torch
@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"warmup_steps": 39}, id="shorter"),
        pytest.param({"warmup_steps": 0.1}, id="a share"),
        pytest.param({}, id="none"),
        pytest.param({"warmup_steps": 500, "lr_scheduler_type": "constant"}, id="a schedule without warmup"),
    ],
)
def test_warmup_that_ends_is_not_reported(arguments: Any, given: dict[str, Any]) -> None:
    assert describe_warmup(arguments(**given), 40) is None
