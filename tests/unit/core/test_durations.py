"""Durations, progress lines, and the time left in them."""

import pytest
from nightloom.core.durations import TimeLeft, describe_progress, show_duration


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.2, "1 s"), (59.4, "59 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (12_000, "3 h 20 min")],
)
def test_duration_has_two_units(seconds: float, shown: str) -> None:
    assert show_duration(seconds) == shown


@pytest.mark.parametrize(
    ("step", "loss", "left_s", "line"),
    [
        pytest.param(40, 0.4123, 37.8, "step 40/250 loss 0.412 9,800 tokens/s 0:38 left", id="on the way"),
        pytest.param(2, None, None, "step 2/250 9,800 tokens/s", id="before the first loss"),
        pytest.param(250, 0.1, 0.0, "step 250/250 loss 0.100 9,800 tokens/s", id="done"),
    ],
)
def test_line_shows_step_loss_and_speed(step: int, loss: float | None, left_s: float | None, line: str) -> None:
    assert describe_progress(step, 250, loss, tokens=70_560, seconds=7.2, left_s=left_s) == line


def estimates(time_left: TimeLeft, steps: range, first_step_s: float) -> dict[int, float | None]:
    """Every step takes a second, but for the first one of the process."""
    return {step: time_left.estimate(step, first_step_s + step - steps[0]) for step in steps}


def test_time_left_ignores_the_warm_up() -> None:
    shown = estimates(TimeLeft(100), range(1, 7), first_step_s=30.0)
    assert shown == {1: None, 2: None, 3: None, 4: None, 5: 95.0, 6: 94.0}


def test_time_left_needs_a_share_of_steps() -> None:
    shown = estimates(TimeLeft(1000), range(1, 31), first_step_s=1.0)
    assert [step for step, left in shown.items() if left is not None] == list(range(22, 31))
    assert shown[22] == 978.0


def test_time_left_starts_again_after_resume() -> None:
    shown = estimates(TimeLeft(100, begun=90), range(91, 97), first_step_s=30.0)
    assert shown == {91: None, 92: None, 93: None, 94: None, 95: 5.0, 96: 4.0}
