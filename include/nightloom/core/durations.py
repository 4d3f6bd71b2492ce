"""Durations: a time as people say it."""


def show_duration(seconds: float) -> str:
    """Give a time such as `48 s`, `12 min 5 s` or `3 h 20 min`."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
