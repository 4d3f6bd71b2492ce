"""Gather: the facts of one night, from whatever of it exists in registry and store."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from nightloom.artifacts.data import Preparation, Records
from nightloom.artifacts.results import Predictions, Verdict
from nightloom.core.stages import STAGES, Stage
from nightloom.core.store import ObjectStore
from nightloom.recipes.schema import Recipe
from nightloom.registry.database import Database
from nightloom.registry.nights import StageOutcome, read_night, read_outcomes
from nightloom.registry.refs import RefMove, read_log_tail
from nightloom.reports import telling
from nightloom.reports.conclusion import Outcomes, conclude
from nightloom.reports.facts import NightFact, ReportFacts
from nightloom.reports.made import manifest_of, read_made
from nightloom.reports.shelf import Shelf
from nightloom.reports.trials import tell_trials

_NIGHTS = 30


def gather_facts(
    store: ObjectStore, database: Database, recipe: Recipe, *, night: date, prices: Mapping[str, float]
) -> ReportFacts:
    """Gather what there is; nothing that is missing or cannot be read keeps the rest from being told.

    Args:
        store: Where manifests are.
        database: The registry.
        recipe: Whose night it is.
        night: The night.
        prices: Money an hour, by the beginning of a device's name.
    """
    shelf = Shelf(store)
    history = _read_history(database, recipe.name, night)
    outcomes = history.get(night) or dict.fromkeys(STAGES)
    made = read_made(shelf, database, recipe.name, night, outcomes)
    moves = _read_moves(database, recipe.name, night)
    champion = telling.tell_champion(moves)
    comparison = telling.tell_comparison(made, moves)
    concluded = conclude(recipe.name, str(night), outcomes, comparison, champion)
    cut = read_night(database, recipe.name, night)
    return ReportFacts(
        recipe=recipe.name,
        description=recipe.description,
        owner=recipe.owner,
        timezone=recipe.timezone,
        night=str(night),
        conclusion=concluded.conclusion,
        answer=concluded.answer,
        detail=concluded.detail,
        advice=concluded.advice,
        stages=telling.tell_stages(outcomes),
        cut_from=cut.cut_from if cut else None,
        cut_to=cut.cut_to if cut else None,
        champion=champion,
        data=telling.tell_data(made),
        trials=tell_trials(made, prices),
        training=telling.tell_training(made, prices),
        comparison=comparison,
        predictions=telling.tell_predictions(made, champion),
        nights=tuple(_read_nights(store, history, moves)),
        provenance=telling.tell_provenance(made, champion),
        unreadable=tuple(shelf.unreadable),
    )


def _read_history(database: Database, recipe: str, night: date) -> dict[date, Outcomes]:
    """Give the outcomes of the last nights, oldest first."""
    history: dict[date, dict[Stage, StageOutcome | None]] = {}
    for outcome in read_outcomes(database, recipe, night, _NIGHTS):
        history.setdefault(outcome.night, dict.fromkeys(STAGES))[outcome.stage] = outcome
    return dict(sorted(history.items())[-_NIGHTS:])


def _read_moves(database: Database, recipe: str, night: date) -> list[RefMove]:
    """Give the champion's moves up to the night, oldest first."""
    return [move for move in read_log_tail(database, recipe, "champion") if move.night <= night]


def _read_nights(store: ObjectStore, history: Mapping[date, Outcomes], moves: Sequence[RefMove]) -> Iterator[NightFact]:
    # A shelf of its own: what retention took from earlier nights is no fault of this one.
    shelf = Shelf(store)
    for night, outcomes in history.items():
        preparation = shelf.load(Preparation, manifest_of(outcomes["prepare"]))
        records = shelf.load(Records, preparation.content.records if preparation else None)
        verdict = shelf.load(Verdict, manifest_of(outcomes["finetune"]))
        predictions = shelf.load(Predictions, manifest_of(outcomes["predict"]))
        yield NightFact(
            night=str(night),
            new_rows=records.content.new_rows if records else None,
            predicted=predictions.content.rows if predictions else None,
            score=verdict.content.deciding_metric if verdict else None,
            promoted=verdict is not None and telling.has_promoted(verdict, moves),
        )
