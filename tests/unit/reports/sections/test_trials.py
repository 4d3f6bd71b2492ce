"""Several trials on the page."""

from typing import Any

import pytest
from nightloom.artifacts.training import HeldOutLoss
from nightloom.reports.sections.base import Estimate
from nightloom.reports.sections.trials import BestConfiguration, Facts, TrialFacts, describe_best, summarise, view


def loss(value: float) -> HeldOutLoss:
    return HeldOutLoss(step=1, loss=value, low=value - 0.1, high=value + 0.1, n=1200)


def trial(
    number: int, configuration: int | None = None, seed: int = 1, pruned_at: float | None = None, **settings: Any
) -> Any:
    losses = (loss(0.5),) if pruned_at else (loss(0.5), loss(0.4))
    return TrialFacts(
        trial=number,
        configuration=number if configuration is None else configuration,
        seed=seed,
        settings=settings or {"settings.learning_rate": 1e-4 * (number + 1), "lora.r": 8},
        losses=losses,
        pruned_at=pruned_at,
        seconds=None,
    )


def facts(*trials: TrialFacts, winner: int | None = 0) -> Facts:
    return Facts(rungs=(0.25,), trials=trials, winner=winner, best=None, seconds=0.0, cost=None)


def best(**fields: Any) -> BestConfiguration:
    known = {"share": 1.0, "configurations": 2, "configuration": 3, "loss": measured(0.4), "difference": measured(-0.1)}
    return BestConfiguration(**{**known, "next_configuration": 1, "is_distinct": False, **fields})


def measured(value: float, low: float | None = None, high: float | None = None, n: int = 1) -> Estimate:
    return Estimate(value=value, low=low, high=high, n=n)


def test_settings_have_short_names() -> None:
    shown = view(facts(trial(0), trial(1)))
    assert (shown["has_configurations"], shown["settings"], shown["shares"]) == (
        False,
        ["learning_rate", "r"],
        ["25%", "the end"],
    )


def test_repeated_configurations_are_shown() -> None:
    assert view(facts(trial(0, configuration=0, seed=1), trial(1, configuration=0, seed=2)))["has_configurations"]


def test_summary_describes_ranking() -> None:
    assert summarise(facts(trial(0), trial(1, pruned_at=0.25))) == (
        "2 trials, ranked by held-out loss, on 1,200 answers of the selection split; 1 pruned early."
    )


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (best(), "seeds alone explain its lead over configuration 1. To find out, list two or more `seeds`"),
        (
            best(next_configuration=None, difference=None),
            "Configuration 3 was the only one at the end. Its mean loss is 0.400 with one",
        ),
        (best(share=0.25), "Configuration 3 has the lowest mean loss of 2 after 25% of the training"),
        (
            best(loss=measured(0.4, 0.3, 0.5, n=2), difference=measured(-0.1, -0.3, 0.1, n=2)),
            "paired by seed: -0.100 [-0.300, +0.100], n = 2: seeds alone may explain this.",
        ),
    ],
    ids=["one seed", "only configuration", "at a rung", "not distinct"],
)
def test_best_configuration_is_described(found: BestConfiguration, text: str) -> None:
    assert text in next(describe_best(found))
