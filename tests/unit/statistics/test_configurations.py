"""Which draw is best, and whether seeds alone explain its lead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nightloom.statistics.configurations import compare_draws, order_draws
from scipy.stats import ttest_rel

losses = st.floats(0.0, 10.0, allow_nan=False).map(lambda loss: round(loss, 4))
MANY = st.dictionaries(st.integers(0, 20), st.dictionaries(st.integers(0, 5), losses, min_size=1), min_size=1)


@given(MANY, st.randoms())
def test_the_order_of_draws_does_not_depend_on_how_they_are_listed(draws, random):
    shuffled = list(draws.items())
    random.shuffle(shuffled)
    assert order_draws(dict(shuffled)) == order_draws(draws)


@given(MANY)
def test_the_best_draw_has_the_lowest_mean(draws):
    best = compare_draws(draws)
    assert best.mean == pytest.approx(min(sum(seeds.values()) / len(seeds) for seeds in draws.values()))
    assert len(draws) == 1 or best.next_draw in draws.keys() - {best.draw}


def test_seeds_that_agree_tell_draws_apart():
    best = compare_draws({0: {1: 0.52, 2: 0.56, 3: 0.54}, 1: {1: 0.42, 2: 0.45, 3: 0.44}})
    assert (best.draw, best.seeds, best.next_draw, best.pairs) == (1, 3, 0, 3)
    expected = ttest_rel([0.42, 0.45, 0.44], [0.52, 0.56, 0.54]).confidence_interval()
    assert (best.difference_interval.low, best.difference_interval.high) == pytest.approx(expected)
    assert best.is_distinct


def test_seeds_that_do_not_agree_cannot():
    best = compare_draws({0: {1: 0.40, 2: 0.60}, 1: {1: 0.55, 2: 0.41}})
    assert (best.draw, best.is_distinct) == (1, False)
    assert best.interval.low < 0.48 < best.interval.high


def test_one_seed_tells_no_spread():
    best = compare_draws({0: {1: 0.4}, 1: {1: 0.5}})
    assert (best.draw, best.interval, best.difference, best.difference_interval) == (0, None, pytest.approx(-0.1), None)
    assert not best.is_distinct


def test_draws_that_share_no_seed_are_not_compared():
    best = compare_draws({0: {1: 0.4}, 1: {2: 0.5}})
    assert (best.next_draw, best.difference, best.pairs) == (1, None, 0)


def test_equal_draws_stand_by_their_number():
    assert order_draws({2: {1: 0.5}, 0: {1: 0.5}, 1: {1: 0.1}}) == [1, 0, 2]
