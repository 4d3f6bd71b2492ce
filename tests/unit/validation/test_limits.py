"""Limits: usual volumes, and differences that chance explains."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nightloom.validation.limits import (
    distance_by_chance,
    format_number,
    has_usual_volume,
    measure_distance,
    measure_volume,
    resembles,
)

COUNTS = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 10_000))


@pytest.mark.parametrize(
    ("rows", "earlier", "usual"),
    [
        pytest.param(100, (), True, id="first night"),
        pytest.param(0, (100, 100), True, id="two nights tell nothing"),
        pytest.param(0, (100, 100, 100), False, id="no rows"),
        pytest.param(49, (100, 100, 100), True, id="so little below may be chance"),
        pytest.param(30, (100, 100, 100), False, id="below"),
        pytest.param(50, (100, 100, 100), True, id="at the limit"),
        pytest.param(310, (100, 100, 100), True, id="so little above may be chance"),
        pytest.param(400, (100, 100, 100), False, id="above"),
        pytest.param(1, (4, 3, 2), True, id="few rows vary"),
        pytest.param(900, (0, 0, 0), True, id="nothing is usual"),
    ],
)
def test_volume_is_compared_with_median(rows: int, earlier: tuple[int, ...], usual: bool) -> None:
    assert has_usual_volume(rows, earlier, 0.5, 3.0) == usual


def test_volume_without_limits_is_usual() -> None:
    assert has_usual_volume(0, (100, 100, 100), None, None)
    assert measure_volume(50, (100, 90, 400)) == 0.5


@given(COUNTS, COUNTS)
def test_distance_is_symmetric_share(one: dict[str, int], two: dict[str, int]) -> None:
    distance = measure_distance(one, two)
    assert distance == measure_distance(two, one)
    assert distance is None or 0 <= distance <= 1


def test_distance_is_share_to_move() -> None:
    assert measure_distance({"a": 60, "b": 40}, {"a": 2, "b": 8}) == pytest.approx(0.4)
    assert measure_distance({"a": 5}, {"b": 5}) == 1
    assert measure_distance({}, {"a": 5}) is None


def test_small_samples_resemble_each_other() -> None:
    random = np.random.default_rng(7)
    apart = 0
    for _ in range(1000):
        one, two = (dict(enumerate(random.multinomial(size, [0.5, 0.3, 0.2]).tolist())) for size in (40, 60))
        apart += not resembles(one, two, at_most=0.01)  # type: ignore[arg-type]
    assert apart <= 10


def test_large_samples_obey_the_limit() -> None:
    assert distance_by_chance({"a": 500_000, "b": 500_000}, {"a": 500_000, "b": 500_000}) < 0.01
    assert not resembles({"a": 760, "b": 240}, {"a": 500, "b": 500}, at_most=0.25)


@pytest.mark.parametrize(("number", "text"), [(0.5, "0.5"), (3.0, "3"), (1_000_000, "1000000"), (1 / 3, "0.3333")])
def test_numbers_are_formatted_plainly(number: float, text: str) -> None:
    assert format_number(number) == text
