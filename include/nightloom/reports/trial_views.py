"""Trial views: several trials as a table, the best first, and what their losses show, in sentences."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nightloom.artifacts.showing import PLAIN, show_interval
from nightloom.artifacts.training import HeldOutLoss
from nightloom.reports.facts import BestDrawFact, TrialFact, TrialsFacts

SHOWN = 12
"""Trials that are shown at once; the rest can be opened."""


@dataclass(frozen=True, slots=True)
class TrialLine:
    """One trial as a line of the table."""

    trial: int
    settings: tuple[str, ...]
    losses: tuple[str, ...]
    fate: str
    is_winner: bool


@dataclass(frozen=True, slots=True)
class TrialsView:
    """The table and the sentences around it."""

    summary: str
    settings: tuple[str, ...]
    shares: tuple[str, ...]
    lines: tuple[TrialLine, ...]
    finding: str | None
    divergence: str | None


def view_trials(facts: TrialsFacts) -> TrialsView:
    """Give the trials as the page shows them."""
    trials = facts.trials
    has_draws = len({each.draw for each in trials}) < len(trials)
    names = tuple(trials[0].settings)
    return TrialsView(
        summary=_summarise(facts),
        settings=(*(("draw", "seed") if has_draws else ()), *_shorten(names)),
        shares=(*(show_share(share) for share in facts.rungs), "the end"),
        lines=tuple(_view_trial(each, facts, has_draws=has_draws) for each in trials),
        finding=_describe_finding(facts.best) if facts.best else None,
        divergence=_describe_divergence(trials),
    )


def show_share(share: float) -> str:
    """Give a share of the training in per cent."""
    return f"{share * 100:g}%"


def show_loss(held_out: HeldOutLoss) -> str:
    """Give a loss with its interval."""
    return show_interval(held_out.loss, held_out.low, held_out.high)


def _view_trial(trial: TrialFact, facts: TrialsFacts, *, has_draws: bool) -> TrialLine:
    losses = (*trial.losses, *(None for _ in range(len(facts.rungs) + 1 - len(trial.losses))))
    group = (str(trial.draw), str(trial.seed)) if has_draws else ()
    return TrialLine(
        trial=trial.trial,
        settings=(*group, *(_show_setting(value) for value in trial.settings.values())),
        losses=tuple(show_loss(loss) if loss else "" for loss in losses),
        fate=_describe_fate(trial, facts),
        is_winner=trial.trial == facts.winner,
    )


def _describe_fate(trial: TrialFact, facts: TrialsFacts) -> str:
    if trial.trial == facts.winner:
        return "the candidate"
    if trial.diverged:
        return "diverged"
    if trial.pruned_at is not None:
        return f"pruned at {show_share(trial.pruned_at)}"
    return "trained to the end" if facts.winner is not None else "not decided"


def _summarise(facts: TrialsFacts) -> str:
    draws = len({each.draw for each in facts.trials})
    sizes = [each for trial in facts.trials for each in trial.losses if each]
    n = f", on {sizes[0].n:,} answers of the selection split" if sizes else ""
    of_draws = f" of {draws} draws (those of one differ in their seed alone)" if draws < len(facts.trials) else ""
    pruned = sum(each.pruned_at is not None for each in facts.trials)
    parts = [f"{len(facts.trials)} trials{of_draws}, ranked by their held-out loss{n}"]
    if pruned:
        parts.append(f"{pruned} {'was' if pruned == 1 else 'were'} pruned on the way")
    return "; ".join(parts) + "."


def _describe_divergence(trials: Sequence[TrialFact]) -> str | None:
    """Say how many diverged, and why the first did: what ails one mostly ails all."""
    diverged = [each for each in trials if each.diverged]
    if not diverged:
        return None
    return f"{len(diverged)} of {len(trials)} trials diverged. Trial {diverged[0].trial}: {diverged[0].diverged}."


def _describe_finding(best: BestDrawFact) -> str:
    where = "at the end" if best.share == 1 else f"after {show_share(best.share)} of the training"
    if best.next_draw is None:
        return f"Draw {best.draw} was the only one {where}: its mean loss is {_show_mean(best)}."
    beginning = f"Of {best.draws} draws {where}, draw {best.draw} had the lowest mean loss, {_show_mean(best)}"
    if best.difference is None or best.difference_low is None or best.difference_high is None:
        return (
            f"{beginning}. Whether its lead over draw {best.next_draw} is more than seeds differ is not known: list "
            f"two or more `seeds` under `train.trials` to learn it."
        )
    interval = show_interval(best.difference, best.difference_low, best.difference_high, PLAIN.signed)
    verdict = "it is better by more than seeds differ" if best.is_distinct else "seeds alone may explain that"
    beside = f"Against draw {best.next_draw}, the next, {interval}, paired by seed, n = {best.pairs}"
    return f"{beginning}. {beside}: {verdict}."


def _show_mean(best: BestDrawFact) -> str:
    if best.low is None or best.high is None:
        return f"{best.loss:.3f} with one seed"
    return f"{show_interval(best.loss, best.low, best.high)} over {best.seeds} seeds"


def _shorten(places: Sequence[str]) -> Iterator[str]:
    """Give each place's last part, or all of it where two have the same."""
    lasts = [place.rpartition(".")[2] for place in places]
    for place, last in zip(places, lasts, strict=True):
        yield last if lasts.count(last) == 1 else place


def _show_setting(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)
