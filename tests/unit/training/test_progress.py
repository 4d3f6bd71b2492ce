"""The end of a training that diverged."""

from types import SimpleNamespace

import pytest
from nightloom.core.errors import DivergenceError
from nightloom.training.base import Course
from nightloom.training.progress import make_progress

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
