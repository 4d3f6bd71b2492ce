"""Durations: a time, and how far a long piece of work is, as people say it."""


def show_duration(seconds: float) -> str:
    """Return a time such as `48 s`, `12 min 5 s` or `3 h 20 min`."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def describe_progress(step: int, steps: int, loss: float | None, tokens: int, seconds: float, begun: int = 0) -> str:
    """Return one line such as `step 40/250 loss 0.412 9,800 tokens/s 0:38 left`.

    Args:
        step: The present one.
        steps: Of how many.
        loss: The last one; none: it was not told yet.
        tokens: Read in this process.
        seconds: Of this process.
        begun: The step at which it went on.
    """
    left = round(seconds / (step - begun) * (steps - step)) if step > begun else 0
    told = "" if loss is None else f" loss {loss:.3f}"
    return f"step {step}/{steps}{told} {tokens / max(seconds, 1e-9):,.0f} tokens/s {left // 60}:{left % 60:02d} left"
