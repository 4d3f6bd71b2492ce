import pytest
from nightloom.statistics.power import minimum_detectable_effect


@pytest.mark.parametrize(
    ("n", "at_10_percent", "at_20_percent"), [(200, 6.3, 8.9), (500, 4.0, 5.6), (1000, 2.8, 4.0), (2000, 2.0, 2.8)]
)
def test_points_that_n_items_show(n, at_10_percent, at_20_percent):
    shown = [round(100 * minimum_detectable_effect(n, discordant), 1) for discordant in (0.1, 0.2)]
    assert shown == [at_10_percent, at_20_percent]


def test_one_item_shows_no_more_than_everything():
    assert minimum_detectable_effect(1, discordant=1.0) == 1.0


def test_no_item_is_refused():
    with pytest.raises(ValueError, match="0 items show nothing"):
        minimum_detectable_effect(0)
