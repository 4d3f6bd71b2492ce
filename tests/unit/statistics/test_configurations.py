"""Which configuration is best, and whether seeds alone explain its lead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nightloom.statistics.configurations import compare_configurations, order_configurations
from scipy.stats import ttest_rel

losses = st.floats(0.0, 10.0, allow_nan=False).map(lambda loss: round(loss, 4))
MANY = st.dictionaries(st.integers(0, 20), st.dictionaries(st.integers(0, 5), losses, min_size=1), min_size=1)


@given(MANY, st.randoms())
def test_order_does_not_depend_on_listing(configurations, random):
    shuffled = list(configurations.items())
    random.shuffle(shuffled)
    assert order_configurations(dict(shuffled)) == order_configurations(configurations)


@given(MANY)
def test_best_configuration_has_lowest_mean(configurations):
    best = compare_configurations(configurations)
    assert best.mean == pytest.approx(min(sum(seeds.values()) / len(seeds) for seeds in configurations.values()))
    assert len(configurations) == 1 or best.runner_up in configurations.keys() - {best.configuration}


def test_agreeing_seeds_distinguish_configurations():
    best = compare_configurations({0: {1: 0.52, 2: 0.56, 3: 0.54}, 1: {1: 0.42, 2: 0.45, 3: 0.44}})
    assert (best.configuration, best.seeds, best.runner_up, best.pairs) == (1, 3, 0, 3)
    expected = ttest_rel([0.42, 0.45, 0.44], [0.52, 0.56, 0.54]).confidence_interval()
    assert (best.difference_interval.low, best.difference_interval.high) == pytest.approx(expected)
    assert best.is_distinct


def test_disagreeing_seeds_distinguish_nothing():
    best = compare_configurations({0: {1: 0.40, 2: 0.60}, 1: {1: 0.55, 2: 0.41}})
    assert (best.configuration, best.is_distinct) == (1, False)
    assert best.interval.low < 0.48 < best.interval.high


def test_one_seed_has_no_spread():
    best = compare_configurations({0: {1: 0.4}, 1: {1: 0.5}})
    assert (best.configuration, best.interval, best.difference, best.difference_interval) == (
        0,
        None,
        pytest.approx(-0.1),
        None,
    )
    assert not best.is_distinct


def test_configurations_without_shared_seed_are_not_compared():
    best = compare_configurations({0: {1: 0.4}, 1: {2: 0.5}})
    assert (best.runner_up, best.difference, best.pairs) == (1, None, 0)


def test_ties_are_ordered_by_number():
    assert order_configurations({2: {1: 0.5}, 0: {1: 0.5}, 1: {1: 0.1}}) == [1, 0, 2]
