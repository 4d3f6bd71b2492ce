"""Ranking: which trials go on after a rung of their training, and which one is the best at the end.

Trials that differ in their seed alone are one draw. Draws are ranked by the mean loss of their trials on the selection
split, and go on whole: that settings are better, and not one lucky seed, is what several seeds are trained for. A draw
of which a trial diverged stands behind those of which fewer did: its settings are not safe.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence

from nightloom.artifacts.blueprints import Blueprint, BlueprintSpec, TrialPlan, number_draws
from nightloom.artifacts.data import Snapshot
from nightloom.artifacts.ids import BlueprintId
from nightloom.artifacts.training import Divergence, HeldOutLoss, Ranking, Rung, Standing, Trial, identify_trial
from nightloom.core.digests import short
from nightloom.core.errors import DivergenceError, FaultError, InputError
from nightloom.core.store import ObjectStore
from nightloom.statistics.configurations import order_draws

logger = logging.getLogger(__name__)


def list_contenders(store: ObjectStore, blueprint_id: BlueprintId, rung: int = 0) -> list[int]:
    """Return the trials that train on to a rung: those that went on from the last one at which trials were ranked.

    Raises:
        InputError: There are several trials, and the snapshot has nothing to choose between them by.
    """
    blueprint = store.load(Blueprint, blueprint_id).content
    for earlier in reversed(range(rung)):
        if found := store.find(Ranking, Ranking.Key(blueprint=blueprint_id, rung=earlier)):
            return list(found.result.going_on)
    if len(blueprint.trials) > 1 and not store.load(Snapshot, blueprint.snapshot).content.splits.get("selection"):
        msg = (
            f"blueprint {short(blueprint_id)} has {len(blueprint.trials)} trials, and snapshot "
            f"{short(blueprint.snapshot)} no selection rows to choose between them by; raise prepare.split.selection, "
            f"or remove train.trials"
        )
        raise InputError(msg)
    return list(range(len(blueprint.trials)))


def note_divergence(store: ObjectStore, spec: BlueprintSpec, number: int, error: DivergenceError) -> Divergence:
    """Keep in mind that a trial diverged: it is not trained again, and ranks behind all others."""
    result = Divergence.Result(reason=str(error))
    return store.publish(Divergence(key=identify_trial(spec, number), result=result))


def count_rungs(spec: BlueprintSpec) -> int:
    """Return how many rungs a blueprint's trials have before their end."""
    return len(spec.pruning.rungs) if spec.pruning else 0


def name_rung(spec: BlueprintSpec, rung: int) -> str:
    """Return a rung as people count them."""
    return "the end" if rung == count_rungs(spec) else f"rung {rung + 1}"


def rank_trials(store: ObjectStore, blueprint_id: BlueprintId, rung: int) -> Ranking:
    """Rank the trials that came to a rung, or to the end, which is the rung after the last.

    Of the draws, the share that the recipe keeps goes on, rounded up, without the trials that diverged; after the end,
    the best draw's best trial alone.

    Raises:
        InputError: There is no such rung, or several trials have no loss on the selection split.
        DivergenceError: All of them diverged.
        FaultError: A trial has not come to the rung.
    """
    key = Ranking.Key(blueprint=blueprint_id, rung=rung)
    return store.find_or_make(Ranking, key, lambda: _rank_anew(store, key))


def _rank_anew(store: ObjectStore, key: Ranking.Key) -> Ranking:
    blueprint_id, rung = key.blueprint, key.rung
    blueprint = store.load(Blueprint, blueprint_id).content
    if not 0 <= rung <= count_rungs(blueprint):
        msg = f"blueprint {short(blueprint_id)} has {count_rungs(blueprint)} rungs and the end; {rung} is none of them"
        raise InputError(msg)
    standings = _rank(store, blueprint, list_contenders(store, blueprint_id, rung), rung)
    first = standings[0]
    if first.diverged:
        where = name_rung(blueprint, rung)
        msg = f"all {len(standings)} trials diverged before {where}; trial {first.trial}: {first.diverged}"
        raise DivergenceError(msg)
    draws = list(dict.fromkeys(standing.draw for standing in standings))
    is_end = rung == count_rungs(blueprint)
    kept = draws[: blueprint.pruning.count_kept(len(draws))] if blueprint.pruning and not is_end else draws
    sound = [each for each in standings if not each.diverged]
    going_on = [first.trial] if is_end else sorted(each.trial for each in sound if each.draw in kept)
    logger.info("%s: %d of %d trials go on", name_rung(blueprint, rung), len(going_on), len(standings))
    return Ranking(key=key, result=Ranking.Result(standings=standings, going_on=tuple(going_on)))


def _rank(store: ObjectStore, spec: BlueprintSpec, contenders: Sequence[int], rung: int) -> tuple[Standing, ...]:
    draws = number_draws(spec.trials)
    going = {draws[trial] for trial in contenders}
    # With those of these draws that diverged before: a draw is not better for having lost a seed.
    trials = [trial for trial, draw in enumerate(draws) if draw in going]
    results = {trial: _read_result(store, spec, trial, rung) for trial in trials}
    diverged = {trial: one.result.reason for trial, one in results.items() if isinstance(one, Divergence)}
    losses = {trial: one for trial, one in results.items() if not isinstance(one, Divergence)}
    return order_trials(spec.trials, losses, diverged)


def order_trials(
    plans: Sequence[TrialPlan], losses: Mapping[int, HeldOutLoss | None], diverged: Mapping[int, str]
) -> tuple[Standing, ...]:
    """Return how trials stand, the best draw first and within it the best trial; of equal ones the lower number.

    Draws of which fewer trials diverged are better; trials that diverged come last.

    Args:
        plans: All trials of the blueprint.
        losses: Of each trial that is ranked; none where a single trial has nothing to be chosen by.
        diverged: Why those diverged that did.

    Raises:
        InputError: One of several has no loss.
    """
    draws = number_draws(plans)
    known: dict[int, dict[int, float]] = {}
    for number, held_out in losses.items():
        if held_out is not None:
            known.setdefault(draws[number], {})[plans[number].seed] = held_out.loss
        elif len(losses) > 1:
            msg = f"trial {number} has no loss on the selection split to be ranked by; raise prepare.split.selection"
            raise InputError(msg)
    lost = Counter(draws[number] for number in diverged)
    places = {draw: place for place, draw in enumerate(order_draws(known))}

    def place(number: int) -> tuple[int, int, float, int]:
        draw, held_out = draws[number], losses[number]
        return (lost[draw], places.get(draw, 0), held_out.loss if held_out else 0.0, number)

    return (
        *(Standing(trial=n, draw=draws[n], held_out=losses[n]) for n in sorted(losses, key=place)),
        *(Standing(trial=n, draw=draws[n], held_out=None, diverged=diverged[n]) for n in sorted(diverged)),
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
    msg = f"trial {number} has not come to {name_rung(spec, rung)}; train it first: clear its task in Airflow"
    raise FaultError(msg)
