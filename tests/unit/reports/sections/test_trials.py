"""Several trials as the page shows them."""

from typing import Any

import pytest
from nightloom.artifacts.training import HeldOutLoss
from nightloom.reports.sections.base import Estimate
from nightloom.reports.sections.trials import BestDraw, Facts, TrialFacts, describe_best, summarise, view


def loss(value: float) -> HeldOutLoss:
    return HeldOutLoss(step=1, loss=value, low=value - 0.1, high=value + 0.1, n=1200)


def trial(number: int, draw: int | None = None, seed: int = 1, pruned_at: float | None = None, **settings: Any) -> Any:
    losses = (loss(0.5),) if pruned_at else (loss(0.5), loss(0.4))
    return TrialFacts(
        trial=number,
        draw=number if draw is None else draw,
        seed=seed,
        settings=settings or {"settings.learning_rate": 1e-4 * (number + 1), "lora.r": 8},
        losses=losses,
        pruned_at=pruned_at,
        seconds=None,
    )


def facts(*trials: TrialFacts, winner: int | None = 0) -> Facts:
    return Facts(rungs=(0.25,), trials=trials, winner=winner, best=None, seconds=0.0, cost=None)


def best(**fields: Any) -> BestDraw:
    known = {"share": 1.0, "draws": 2, "draw": 3, "loss": measured(0.4), "difference": measured(-0.1)}
    return BestDraw(**{**known, "next_draw": 1, "is_distinct": False, **fields})


def measured(value: float, low: float | None = None, high: float | None = None, n: int = 1) -> Estimate:
    return Estimate(value=value, low=low, high=high, n=n)


def test_settings_go_by_their_last_name() -> None:
    shown = view(facts(trial(0), trial(1)))
    assert (shown["has_draws"], shown["settings"], shown["shares"]) == (
        False,
        ["learning_rate", "r"],
        ["25%", "the end"],
    )


def test_draws_are_told_only_where_seeds_differ() -> None:
    assert view(facts(trial(0, draw=0, seed=1), trial(1, draw=0, seed=2)))["has_draws"]


def test_summary_says_how_trials_were_ranked() -> None:
    assert summarise(facts(trial(0), trial(1, pruned_at=0.25))) == (
        "2 trials, ranked by their held-out loss, on 1,200 answers of the selection split; 1 was pruned on the way."
    )


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (best(), "Whether its lead over draw 1 is more than seeds differ is not known: list two or more `seeds`"),
        (best(next_draw=None, difference=None), "Draw 3 was the only one at the end: its mean loss is 0.400 with one"),
        (best(share=0.25), "Of 2 draws after 25% of the training, draw 3 had the lowest mean loss"),
        (
            best(loss=measured(0.4, 0.3, 0.5, n=2), difference=measured(-0.1, -0.3, 0.1, n=2)),
            "-0.100 [-0.300, +0.100], paired by seed, n = 2: seeds alone may explain that.",
        ),
    ],
    ids=["one seed", "only draw", "at a rung", "not told apart"],
)
def test_what_seeds_show_is_one_sentence(found: BestDraw, says: str) -> None:
    assert says in next(describe_best(found))
