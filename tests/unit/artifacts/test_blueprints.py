"""Blueprints: the settings in which trials differ."""

from nightloom.artifacts.blueprints import TrialPlan, list_differing_settings


def test_only_differing_settings_are_listed() -> None:
    plans = [
        TrialPlan(trainer="trl", method=method, lora={"r": 8}, settings=settings, seed=seed)
        for method, settings, seed in (("lora", {"lr": 1, "warmup": 2}, 1), ("full", {"lr": 1}, 2))
    ]
    assert list_differing_settings(plans) == [
        {"method": "lora", "settings.warmup": 2},
        {"method": "full", "settings.warmup": None},
    ]
