import pytest
from nightloom.core.durations import show_duration


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.2, "1 s"), (59.4, "59 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (12_000, "3 h 20 min")],
)
def test_a_time_is_told_as_people_say_it(seconds: float, shown: str) -> None:
    assert show_duration(seconds) == shown
