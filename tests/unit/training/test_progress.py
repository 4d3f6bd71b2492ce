"""The line that tells how far training is."""

import pytest
from nightloom.training.progress import describe_progress


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
