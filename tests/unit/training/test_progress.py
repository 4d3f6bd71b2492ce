"""The end of a diverged training."""

from types import SimpleNamespace

import pytest
from nightloom.core.errors import DivergenceError
from nightloom.training.base import TrainingControl
from nightloom.training.progress import make_progress

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
