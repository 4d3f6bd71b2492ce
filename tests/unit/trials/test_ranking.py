"""Successive halving over configurations: survivors at each rung, and the candidate."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nightloom.artifacts.blueprints import Blueprint, TrialPlan, number_configurations
from nightloom.artifacts.models import BaseModelManifest
from nightloom.artifacts.training import HeldOutLoss, Ranking, Rung, Trial, TrialResult, identify_trial
from nightloom.base_models.freeze import freeze_base
from nightloom.core.errors import DivergenceError, FaultError, InputError
from nightloom.core.store import ObjectStore
from nightloom.recipes.training import Pruning
from nightloom.trials.ranking import list_contenders, order_trials, rank_trials, record_divergence
from nightloom.trials.train import train_to_rung

Plans = Callable[..., str]


def plan(configuration: int, seed: int) -> TrialPlan:
    return TrialPlan(trainer="dummy", method="lora", lora={}, settings={"min_votes": configuration + 1}, seed=seed)


def loss(value: float) -> HeldOutLoss:
    return HeldOutLoss(step=10, loss=value, low=max(0.0, value - 0.1), high=value + 0.1, n=40)


class Nights:
    """A blueprint of several trials, with their results."""

    def __init__(self, store: ObjectStore, blueprint: str) -> None:
        self.store, self.id = store, blueprint
        self.identity = store.load(Blueprint, blueprint).content

    def reach(self, rung: int, losses: dict[int, float]) -> None:
        assert self.identity.pruning is not None
        for number, value in losses.items():
            key = Rung.Key(trial=identify_trial(self.identity, number), share=self.identity.pruning.rungs[rung])
            self.store.publish(Rung(key=key, result=Rung.Result(held_out=loss(value))))

    def end(self, losses: dict[int, float | None]) -> None:
        for number, value in losses.items():
            result = TrialResult(
                adapter="a" * 64,
                steps=10,
                kept_step=10,
                examples=8,
                tokens=1,
                label_tokens=1,
                left_out=0,
                final_loss=0.0,
                seconds=1.0,
                tokens_per_second=1.0,
                curve=(),
                held_out=() if value is None else (loss(9.0), loss(value)),
            )
            self.store.publish(Trial(key=identify_trial(self.identity, number), result=result))

    def diverge(self, *numbers: int) -> None:
        for number in numbers:
            record_divergence(self.store, self.identity, number, DivergenceError(f"trial {number} diverged by step 3"))

    def rank(self, rung: int) -> Ranking.Result:
        return rank_trials(self.store, self.id, rung).result


@pytest.fixture
def plan_nights(store: ObjectStore, plan_trials: Plans) -> Callable[..., Nights]:
    base = freeze_base(store, "dummy")
    assert store.load(BaseModelManifest, base)

    def make(*plans: TrialPlan, pruning: Pruning | None = None, selection: int = 4) -> Nights:
        return Nights(store, plan_trials(base, plans, pruning=pruning, selection=selection))

    return make


def test_better_configuration_survive_with_all_seeds(plan_nights: Callable[..., Nights]) -> None:
    pruning = Pruning(rungs=(0.5,), keep=0.5)
    nights = plan_nights(*(plan(configuration, seed) for configuration in range(3) for seed in (1, 2)), pruning=pruning)
    # Trial 2 is the best of all, but the other seed of its configuration is bad.
    nights.reach(0, {0: 0.5, 1: 0.5, 2: 0.1, 3: 1.5, 4: 0.4, 5: 0.4})
    record = nights.rank(0)
    assert [(each.trial, each.configuration) for each in record.ranks] == [
        *((4, 2), (5, 2)),
        *((0, 0), (1, 0)),
        *((2, 1), (3, 1)),
    ]
    assert record.survivors == (0, 1, 4, 5)
    assert list_contenders(nights.store, nights.id, 1) == [0, 1, 4, 5]


def test_best_trial_of_best_configuration_wins(plan_nights: Callable[..., Nights]) -> None:
    nights = plan_nights(*(plan(configuration, seed) for configuration in range(2) for seed in (1, 2)))
    nights.end({0: 0.1, 1: 0.9, 2: 0.45, 3: 0.35})
    assert nights.rank(0).survivors == (3,)


def test_pruned_trials_are_not_ranked(plan_nights: Callable[..., Nights]) -> None:
    nights = plan_nights(
        *(plan(configuration, 1) for configuration in range(4)), pruning=Pruning(rungs=(0.25, 0.5), keep=0.5)
    )
    nights.reach(0, {0: 0.4, 1: 0.3, 2: 0.2, 3: 0.1})
    nights.rank(0)
    nights.reach(1, {2: 0.1, 3: 0.2})
    nights.rank(1)
    nights.end({2: 0.05})
    assert [(s.trial, s.held_out and s.held_out.loss) for s in nights.rank(2).ranks] == [(2, 0.05)]


def test_diverged_trial_lowers_its_configuration(
    plan_nights: Callable[..., Nights],
) -> None:
    pruning = Pruning(rungs=(0.25, 0.5), keep=0.6)
    nights = plan_nights(*(plan(configuration, seed) for configuration in range(3) for seed in (1, 2)), pruning=pruning)
    nights.reach(0, {1: 0.1, 2: 0.4, 3: 0.4})
    nights.diverge(0, 4, 5)
    at_rung = nights.rank(0)
    assert [(each.trial, each.diverged) for each in at_rung.ranks] == [
        *((2, None), (3, None), (1, None)),
        *((number, f"trial {number} diverged by step 3") for number in (0, 4, 5)),
    ]
    assert at_rung.survivors == (1, 2, 3)  # 0.6 of 3 configurations, rounded up: the third has no trial left

    # The configuration that lost a seed at the first rung does not rank better at the second, nor at the end.
    nights.reach(1, {1: 0.1, 2: 0.4, 3: 0.4})
    assert [each.trial for each in nights.rank(1).ranks] == [2, 3, 1, 0]
    nights.end({1: 0.1, 2: 0.4, 3: 0.3})
    assert nights.rank(2).survivors == (3,)


def test_all_diverged_trials_raise(plan_nights: Callable[..., Nights]) -> None:
    nights = plan_nights(plan(0, 1), plan(1, 1))
    nights.diverge(0, 1)
    with pytest.raises(
        DivergenceError, match="all 2 trials diverged before the end; trial 0: trial 0 diverged by step 3"
    ):
        nights.rank(0)


def test_ranking_is_made_once(plan_nights: Callable[..., Nights]) -> None:
    nights = plan_nights(plan(0, 1), plan(1, 1), pruning=Pruning(rungs=(0.5,)))
    nights.reach(0, {0: 0.2, 1: 0.1})
    assert nights.rank(0) == nights.rank(0)


def test_single_trial_needs_no_loss(plan_nights: Callable[..., Nights]) -> None:
    nights = plan_nights(plan(0, 1), selection=0)
    nights.end({0: None})
    assert nights.rank(0).survivors == (0,)


def test_several_trials_need_selection_rows(plan_nights: Callable[..., Nights]) -> None:
    nights = plan_nights(plan(0, 1), plan(1, 1), selection=0)
    with pytest.raises(InputError, match=r"has 2 trials, and snapshot .* has no selection rows to rank them by"):
        list_contenders(nights.store, nights.id)


def test_trial_before_rung_is_named(plan_nights: Callable[..., Nights]) -> None:
    nights = plan_nights(plan(0, 1), plan(1, 1), pruning=Pruning(rungs=(0.5,)))
    nights.reach(0, {0: 0.2})
    with pytest.raises(FaultError, match="trial 1 has not reached rung 1; clear its task"):
        nights.rank(0)


@pytest.mark.parametrize("rung", [-1, 2])
def test_unknown_rung_is_refused(plan_nights: Callable[..., Nights], rung: int) -> None:
    nights = plan_nights(plan(0, 1), pruning=Pruning(rungs=(0.5,)))
    with pytest.raises(InputError, match=f"has 1 rung and the end; {rung} is not one of them"):
        nights.rank(rung)


@pytest.mark.torch
def test_learning_rates_are_ranked(store: ObjectStore, tiny_base: str, plan_trials: Plans) -> None:
    settings = {"max_steps": 8, "per_device_train_batch_size": 4, "max_grad_norm": 1e20}
    plans = tuple(
        TrialPlan(trainer="trl", method="lora", lora={"r": 4}, settings={**settings, "learning_rate": rate}, seed=1)
        for rate in (1e-6, 1e20, 1e-2)
    )
    blueprint = plan_trials(tiny_base, plans, pruning=Pruning(rungs=(0.5,), keep=0.3), selection=2)
    for number in (0, 2):
        train_to_rung(store, blueprint, number, 0)
    with pytest.raises(DivergenceError, match=r"training diverged by step \d") as raised:
        train_to_rung(store, blueprint, 1, 0)
    record_divergence(store, store.load(Blueprint, blueprint).content, 1, raised.value)
    ranking = rank_trials(store, blueprint, 0).result
    assert ranking.survivors == (2,)
    assert [each.trial for each in ranking.ranks] == [2, 0, 1]
    assert ranking.ranks[-1].diverged == str(raised.value)


@pytest.mark.parametrize(
    ("configurations", "share", "kept"),
    [(8, 0.5, 4), (3, 0.5, 2), (2, 0.1, 1), (1, 0.5, 1), (100, 0.07, 7), (1000, 0.001, 1)],
)
def test_surviving_share_is_rounded_up(configurations: int, share: float, kept: int) -> None:
    assert Pruning(keep=share).count_kept(configurations) == kept


def test_seeds_share_one_configuration() -> None:
    assert number_configurations([plan(5, 1), plan(0, 1), plan(5, 2), plan(0, 2)]) == [0, 1, 0, 1]


LOSSES = st.dictionaries(st.integers(0, 11), st.integers(0, 5).map(lambda tenths: tenths / 10), min_size=2, max_size=12)
PLANS = [plan(number // 3, number % 3) for number in range(12)]


@given(LOSSES, st.randoms())
def test_ranking_ignores_order_of_results(losses: dict[int, float], random: object) -> None:
    shuffled = list(losses.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    first, second = (order_trials(PLANS, {n: loss(v) for n, v in items}, {}) for items in (losses.items(), shuffled))
    assert first == second
    assert sorted(each.trial for each in first) == sorted(losses)


@given(LOSSES, st.sets(st.integers(0, 11)))
def test_diverged_trials_rank_last(losses: dict[int, float], lost: set[int]) -> None:
    safe = {n: loss(v) for n, v in losses.items() if n not in lost}
    ranks = order_trials(PLANS, safe, dict.fromkeys(lost, "diverged"))
    assert [each.trial for each in ranks if each.diverged] == sorted(lost)
    assert [bool(each.diverged) for each in ranks] == [False] * len(safe) + [True] * len(lost)
    failed = [sum(n // 3 == each.configuration for n in lost) for each in ranks[: len(safe)]]
    assert failed == sorted(failed)


@given(st.integers(1, 9), st.integers(1, 3), st.floats(0.05, 0.95), st.data())
def test_halving_keeps_best_of_each_rung(configurations: int, seeds: int, keep: float, data: st.DataObject) -> None:
    plans = [plan(configuration, seed) for configuration in range(configurations) for seed in range(seeds)]
    survivors, pruned = list(range(len(plans))), []
    for _ in range(3):
        losses = {n: loss(data.draw(st.integers(0, 9)) / 10) for n in survivors}
        ranks = order_trials(plans, losses, {})
        order = list(dict.fromkeys(each.configuration for each in ranks))
        kept = set(order[: Pruning(keep=keep).count_kept(len(order))])
        means = {
            configuration: sum(losses[n].loss for n in survivors if n // seeds == configuration) / seeds
            for configuration in {n // seeds for n in survivors}
        }
        assert all(means[k] <= means[p] + 1e-12 for k in kept for p in means.keys() - kept)
        pruned += [n for n in survivors if n // seeds not in kept]
        survivors = [n for n in survivors if n // seeds in kept]
        assert survivors
    assert sorted(pruned + survivors) == list(range(len(plans)))
