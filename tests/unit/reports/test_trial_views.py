"""Several trials as the page shows them."""

from typing import Any

import pytest
from nightloom.artifacts.blueprints import TrialPlan
from nightloom.artifacts.training import HeldOutLoss
from nightloom.reports.facts import BestDrawFact, TrialFact, TrialsFacts
from nightloom.reports.trial_views import view_trials
from nightloom.reports.trials import list_differences


def loss(value: float) -> HeldOutLoss:
    return HeldOutLoss(step=1, loss=value, low=value - 0.1, high=value + 0.1, n=1200)


def trial(number: int, draw: int | None = None, seed: int = 1, pruned_at: float | None = None, **settings: Any) -> Any:
    losses = (loss(0.5),) if pruned_at else (loss(0.5), loss(0.4))
    return TrialFact(
        trial=number,
        draw=number if draw is None else draw,
        seed=seed,
        settings=settings or {"settings.learning_rate": 1e-4 * (number + 1), "lora.r": 8},
        losses=losses,
        pruned_at=pruned_at,
        seconds=None,
    )


def facts(*trials: TrialFact, best: BestDrawFact | None = None, winner: int | None = 0) -> TrialsFacts:
    return TrialsFacts(rungs=(0.25,), trials=trials, winner=winner, best=best, seconds=0.0, cost=None)


def best(**fields: Any) -> BestDrawFact:
    known = {"share": 1.0, "draws": 2, "draw": 3, "loss": 0.4, "low": None, "high": None, "seeds": 1, "pairs": 1}
    difference = {"difference": -0.1, "difference_low": None, "difference_high": None}
    return BestDrawFact(**{**known, **difference, "next_draw": 1, "is_distinct": False, **fields})


def test_settings_go_by_their_last_name_and_draws_are_told_only_where_seeds_differ() -> None:
    view = view_trials(facts(trial(0), trial(1, pruned_at=0.25)))
    assert view.settings == ("learning_rate", "r")
    assert view.shares == ("25%", "the end")
    assert [line.settings for line in view.lines] == [("0.0001", "8"), ("0.0002", "8")]
    assert [line.losses for line in view.lines] == [
        ("0.500 [0.400, 0.600]", "0.400 [0.300, 0.500]"),
        ("0.500 [0.400, 0.600]", ""),
    ]
    assert view.summary == (
        "2 trials, ranked by their held-out loss, on 1,200 answers of the selection split; 1 was pruned on the way."
    )


def test_trials_of_one_draw_have_their_seeds_told() -> None:
    view = view_trials(facts(trial(0, draw=0, seed=1), trial(1, draw=0, seed=2)))
    assert view.settings[:2] == ("draw", "seed")
    assert [line.settings[:2] for line in view.lines] == [("0", "1"), ("0", "2")]


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (best(), "Whether its lead over draw 1 is more than seeds differ is not known: list two or more `seeds`"),
        (best(next_draw=None, difference=None), "Draw 3 was the only one at the end: its mean loss is 0.400 with one"),
        (best(share=0.25), "Of 2 draws after 25% of the training, draw 3 had the lowest mean loss"),
        (
            best(low=0.3, high=0.5, seeds=2, difference_low=-0.3, difference_high=0.1, pairs=2),
            "-0.100 [-0.300, +0.100], paired by seed, n = 2: seeds alone may explain that.",
        ),
    ],
    ids=["one seed", "only draw", "at a rung", "not told apart"],
)
def test_what_seeds_show_is_one_sentence(found: BestDrawFact, says: str) -> None:
    assert says in str(view_trials(facts(trial(0), trial(1), best=found)).finding)


def test_only_what_differs_between_plans_is_told() -> None:
    plans = [
        TrialPlan(trainer="trl", method=method, lora={"r": 8}, settings=settings, seed=seed)
        for method, settings, seed in (("lora", {"lr": 1, "warmup": 2}, 1), ("full", {"lr": 1}, 2))
    ]
    assert list_differences(plans) == [
        {"method": "lora", "settings.warmup": 2},
        {"method": "full", "settings.warmup": None},
    ]
