"""Ranking: which trials survive a rung of their training, and which one is the best at the end.

Trials that differ only in their seed share one configuration of hyperparameters. Configurations are ranked by the mean
loss of their trials on the selection split, and survive as a whole: several seeds show that the hyperparameters are
better, and not one seed lucky. A configuration with more diverged trials ranks behind one with fewer: its
hyperparameters are not safe.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence

from nightloom.artifacts.blueprints import Blueprint, BlueprintSpec, TrialPlan, number_configurations
from nightloom.artifacts.data import Snapshot
from nightloom.artifacts.ids import BlueprintId
from nightloom.artifacts.training import Divergence, HeldOutLoss, Ranking, Rung, Trial, TrialRank, identify_trial
from nightloom.core.counts import show_count
from nightloom.core.digests import short
from nightloom.core.errors import DivergenceError, FaultError, InputError
from nightloom.core.store import ObjectStore
from nightloom.statistics.configurations import order_configurations

logger = logging.getLogger(__name__)


def list_contenders(store: ObjectStore, blueprint_id: BlueprintId, rung: int = 0) -> list[int]:
    """Return the trials that train up to a rung: the survivors of the last rung at which trials were ranked.

    Raises:
        InputError: There are several trials, and the snapshot has no selection rows to rank them by.
    """
    blueprint = store.load(Blueprint, blueprint_id).content
    for earlier in reversed(range(rung)):
        if found := store.find(Ranking, Ranking.Key(blueprint=blueprint_id, rung=earlier)):
            return list(found.result.survivors)
    if len(blueprint.trials) > 1 and not store.load(Snapshot, blueprint.snapshot).content.splits.get("selection"):
        msg = (
            f"blueprint {short(blueprint_id)} has {len(blueprint.trials)} trials, and snapshot "
            f"{short(blueprint.snapshot)} has no selection rows to rank them by; raise prepare.split.selection, "
            f"or remove train.trials"
        )
        raise InputError(msg)
    return list(range(len(blueprint.trials)))


def record_divergence(store: ObjectStore, spec: BlueprintSpec, number: int, error: DivergenceError) -> Divergence:
    """Record that a trial diverged: it is not trained again, and ranks behind all others."""
    result = Divergence.Result(reason=str(error))
    return store.publish(Divergence(key=identify_trial(spec, number), result=result))


def count_rungs(spec: BlueprintSpec) -> int:
    """Return the number of rungs of a blueprint's trials, without their end."""
    return len(spec.pruning.rungs) if spec.pruning else 0


def name_rung(spec: BlueprintSpec, rung: int) -> str:
    """Return a rung's name for people, counted from 1."""
    return "the end" if rung == count_rungs(spec) else f"rung {rung + 1}"


def rank_trials(store: ObjectStore, blueprint_id: BlueprintId, rung: int) -> Ranking:
    """Rank the trials that reached a rung, or the end, which counts as the rung after the last.

    At a rung, the recipe's share of the configurations survives, rounded up, without diverged trials. At the end, only
    the best trial of the best configuration survives.

    Raises:
        InputError: There is no such rung, or several trials have no loss on the selection split.
        DivergenceError: All trials diverged.
        FaultError: A trial has not reached the rung.
    """
    key = Ranking.Key(blueprint=blueprint_id, rung=rung)
    return store.find_or_make(Ranking, key, lambda: _make_ranking(store, key))


def _make_ranking(store: ObjectStore, key: Ranking.Key) -> Ranking:
    blueprint_id, rung = key.blueprint, key.rung
    blueprint = store.load(Blueprint, blueprint_id).content
    if not 0 <= rung <= count_rungs(blueprint):
        rungs = show_count(count_rungs(blueprint), "rung")
        msg = f"blueprint {short(blueprint_id)} has {rungs} and the end; {rung} is not one of them"
        raise InputError(msg)
    ranks = _rank(store, blueprint, list_contenders(store, blueprint_id, rung), rung)
    first = ranks[0]
    if first.diverged:
        where = name_rung(blueprint, rung)
        msg = f"all {len(ranks)} trials diverged before {where}; trial {first.trial}: {first.diverged}"
        raise DivergenceError(msg)
    configurations = list(dict.fromkeys(each.configuration for each in ranks))
    is_end = rung == count_rungs(blueprint)
    kept = (
        configurations[: blueprint.pruning.count_kept(len(configurations))]
        if blueprint.pruning and not is_end
        else configurations
    )
    safe = [each for each in ranks if not each.diverged]
    survivors = [first.trial] if is_end else sorted(each.trial for each in safe if each.configuration in kept)
    logger.info("%s: %d of %d trials survive", name_rung(blueprint, rung), len(survivors), len(ranks))
    return Ranking(key=key, result=Ranking.Result(ranks=ranks, survivors=tuple(survivors)))


def _rank(store: ObjectStore, spec: BlueprintSpec, contenders: Sequence[int], rung: int) -> tuple[TrialRank, ...]:
    configurations = number_configurations(spec.trials)
    contending = {configurations[trial] for trial in contenders}
    # Including trials that diverged before: a configuration must not rank better because it lost a seed.
    trials = [trial for trial, configuration in enumerate(configurations) if configuration in contending]
    results = {trial: _read_result(store, spec, trial, rung) for trial in trials}
    diverged = {trial: one.result.reason for trial, one in results.items() if isinstance(one, Divergence)}
    losses = {trial: one for trial, one in results.items() if not isinstance(one, Divergence)}
    return order_trials(spec.trials, losses, diverged)


def order_trials(
    plans: Sequence[TrialPlan], losses: Mapping[int, HeldOutLoss | None], diverged: Mapping[int, str]
) -> tuple[TrialRank, ...]:
    """Return the ranks of trials: the best configuration first, within it the best trial; ties by number.

    Configurations with fewer diverged trials come first. Diverged trials come last.

    Args:
        plans: All trials of the blueprint.
        losses: The loss of each ranked trial, or None for a single trial without selection rows.
        diverged: The reason of each diverged trial.

    Raises:
        InputError: One of several trials has no loss.
    """
    configurations = number_configurations(plans)
    known: dict[int, dict[int, float]] = {}
    for number, held_out in losses.items():
        if held_out is not None:
            known.setdefault(configurations[number], {})[plans[number].seed] = held_out.loss
        elif len(losses) > 1:
            msg = f"trial {number} has no loss on the selection split to be ranked by; raise prepare.split.selection"
            raise InputError(msg)
    lost = Counter(configurations[number] for number in diverged)
    positions = {configuration: position for position, configuration in enumerate(order_configurations(known))}

    def sort_key(number: int) -> tuple[int, int, float, int]:
        configuration, held_out = configurations[number], losses[number]
        return (lost[configuration], positions.get(configuration, 0), held_out.loss if held_out else 0.0, number)

    return (
        *(
            TrialRank(trial=n, configuration=configurations[n], held_out=losses[n])
            for n in sorted(losses, key=sort_key)
        ),
        *(
            TrialRank(trial=n, configuration=configurations[n], held_out=None, diverged=diverged[n])
            for n in sorted(diverged)
        ),
    )


def _read_result(store: ObjectStore, spec: BlueprintSpec, number: int, rung: int) -> HeldOutLoss | Divergence | None:
    trial = identify_trial(spec, number)
    if spec.pruning and rung < count_rungs(spec):
        reached = store.find(Rung, Rung.Key(trial=trial, share=spec.pruning.rungs[rung]))
        if reached:
            return reached.result.held_out
    elif ended := store.find(Trial, trial):
        return ended.result.held_out[-1] if ended.result.held_out else None
    if diverged := store.find(Divergence, trial):
        return diverged
    msg = f"trial {number} has not reached {name_rung(spec, rung)}; clear its task in Airflow to train it"
    raise FaultError(msg)
