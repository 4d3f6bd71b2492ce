"""The names of training settings."""

from nightloom.recipes.training import RESERVED_SETTINGS
from nightloom.training.settings import OURS


def test_own_settings_are_reserved() -> None:
    given = {"output_dir", "use_cpu", "seed", "data_seed"}
    assert set(RESERVED_SETTINGS) == set(OURS) | given
