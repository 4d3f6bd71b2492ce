"""Durations: times and the progress of long work as text for people, with the time left once it is known."""

_WARM_UP_STEPS = 2
"""The first steps load kernels, fill caches and start data loading, so their time is not representative."""
_LEAST_STEPS, _LEAST_SHARE = 3, 0.02
"""Steps, and share of all steps, that must be measured after warm-up before a time left is shown."""


def show_duration(seconds: float) -> str:
    """Return a duration such as `48 s`, `12 min 5 s` or `3 h 20 min`."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class TimeLeft:
    """Estimate of the time left, from the speed of the steps after warm-up.

    Args:
        steps: Number of the last step.
        begun: Step after which this process began or resumed.
    """

    def __init__(self, steps: int, begun: int = 0) -> None:
        self._steps = steps
        self._warm = min(steps, begun + _WARM_UP_STEPS)
        self._least = max(_LEAST_STEPS, round(_LEAST_SHARE * steps))
        self._warm_at = 0.0

    def estimate(self, step: int, now: float) -> float | None:
        """Return the seconds left after a step, or None if too few steps were measured; call it after every step."""
        if step <= self._warm:
            self._warm_at = now
        measured = step - self._warm
        return (now - self._warm_at) / measured * (self._steps - step) if measured >= self._least else None


def describe_progress(
    step: int, steps: int, loss: float | None, tokens: int, seconds: float, left_s: float | None
) -> str:
    """Return one line such as `step 40/250 loss 0.412 9,800 tokens/s 0:38 left`.

    Args:
        step: Number of the current step.
        steps: Number of the last step.
        loss: The last loss, or None if none was logged yet.
        tokens: Tokens read by this process.
        seconds: Seconds that this process has trained.
        left_s: Seconds left, or None if they are not known yet.
    """
    parts = [f"step {step}/{steps}"]
    if loss is not None:
        parts.append(f"loss {loss:.3f}")
    parts.append(f"{tokens / max(seconds, 1e-9):,.0f} tokens/s")
    if left_s is not None and step < steps:
        minutes, left = divmod(round(left_s), 60)
        parts.append(f"{minutes}:{left:02d} left")
    return " ".join(parts)
