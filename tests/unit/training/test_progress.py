"""The line that tells how far training is, and the end of one that diverged."""

from types import SimpleNamespace

import pytest
from nightloom.core.durations import describe_progress
from nightloom.core.errors import DivergenceError
from nightloom.training.base import Course
from nightloom.training.progress import make_progress


@pytest.mark.parametrize(
    ("step", "loss", "line"),
    [
        pytest.param(40, 0.4123, "step 40/250 loss 0.412 9,800 tokens/s 0:38 left", id="on the way"),
        pytest.param(2, None, "step 2/250 9,800 tokens/s 14:53 left", id="before the first loss"),
        pytest.param(250, 0.1, "step 250/250 loss 0.100 9,800 tokens/s 0:00 left", id="done"),
    ],
)
def test_a_line_tells_step_loss_speed_and_time_left(step: int, loss: float | None, line: str) -> None:
    assert describe_progress(step, 250, loss, tokens=70_560, seconds=7.2) == line


NAN, INF = float("nan"), float("inf")


def log(*, fp16: bool, **logs: float) -> None:
    state = SimpleNamespace(global_step=7, max_steps=9, epoch=0.5)
    make_progress(100, Course()).on_log(SimpleNamespace(fp16=fp16), state, None, {"learning_rate": 1e-3, **logs})


@pytest.mark.torch
@pytest.mark.parametrize(
    ("fp16", "logs", "what"),
    [
        pytest.param(False, {"loss": NAN, "grad_norm": 1.0}, "loss nan", id="loss"),
        pytest.param(False, {"loss": 1.0, "grad_norm": INF}, "grad_norm inf", id="gradients"),
        pytest.param(True, {"loss": NAN, "grad_norm": 1.0}, "loss nan", id="loss in fp16"),
    ],
)
def test_what_is_no_number_ends_training(fp16: bool, logs: dict[str, float], what: str) -> None:
    with pytest.raises(DivergenceError, match=rf"training diverged by step 7 \({what}\); lower"):
        log(fp16=fp16, **logs)


@pytest.mark.torch
def test_a_step_that_fp16_skips_ends_nothing() -> None:
    log(fp16=True, loss=1.0, grad_norm=INF)
