import pytest
from hypothesis import given
from hypothesis import strategies as st
from nightloom.statistics.findings import judge_difference

BOUND = st.floats(-1, 1)


@pytest.mark.parametrize(
    ("low", "high", "finding"),
    [
        pytest.param(0.001, 0.05, "BETTER", id="all of it above 0"),
        pytest.param(0.0, 0.05, "NOT_WORSE", id="0 is not above 0"),
        pytest.param(-0.019, 0.05, "NOT_WORSE", id="all of it above the margin"),
        pytest.param(-0.02, 0.05, "INCONCLUSIVE", id="the margin is not above the margin"),
        pytest.param(-0.05, -0.001, "WORSE", id="all of it below 0"),
        pytest.param(-0.01, -0.001, "WORSE", id="a small loss that is shown"),
    ],
)
def test_the_bounds_decide(low, high, finding):
    assert judge_difference(low, high, margin=0.02) == finding


@given(BOUND, BOUND, st.floats(0.001, 0.5))
def test_better_one_way_is_worse_the_other(one, other, margin):
    low, high = sorted((one, other))
    assert (judge_difference(low, high, margin) == "BETTER") == (judge_difference(-high, -low, margin) == "WORSE")
