"""Night: what one night left in the registry and the store. Each part is read when a section first asks for it."""

from collections.abc import Mapping
from datetime import date
from functools import cached_property
from typing import TypeVar

from nightloom.artifacts.blueprints import Blueprint
from nightloom.artifacts.data import Curated, Preparation, Records, Snapshot
from nightloom.artifacts.models import specify_task
from nightloom.artifacts.predictions import PredictionPlan, Predictions
from nightloom.artifacts.prompts import Prompt
from nightloom.artifacts.results import ItemTokens, Parity, Verdict
from nightloom.artifacts.training import Ranking, Trial, identify_trial
from nightloom.core.digests import short
from nightloom.core.manifests import Manifest
from nightloom.core.stages import STAGES, Stage
from nightloom.core.store import ObjectStore
from nightloom.promotion.champions import find_task, load_citation
from nightloom.promotion.drift import describe_drift
from nightloom.recipes.schema import Recipe
from nightloom.registry.database import Database
from nightloom.registry.members import find_last, list_night
from nightloom.registry.nights import StageOutcome, read_outcomes
from nightloom.registry.refs import RefMove, read_log_tail
from nightloom.reports.lenient_store import LenientStore

Outcomes = Mapping[Stage, StageOutcome | None]
M = TypeVar("M", bound=Manifest)

_NIGHTS = 30


class NightManifests:
    """The manifests of one night. Each is None if the night did not get that far or the manifest cannot be read.

    Attributes:
        store: Object store that holds the manifests.
        database: The registry.
        recipe: The recipe that the night belongs to.
        date: The night.
        prices: Price of an hour, by the beginning of a device's name.
        lenient_store: Reads other manifests, and lists what cannot be read.
    """

    def __init__(
        self, store: ObjectStore, database: Database, recipe: Recipe, night: date, prices: Mapping[str, float]
    ) -> None:
        self.store, self.database, self.recipe, self.date, self.prices = store, database, recipe, night, prices
        self.lenient_store = LenientStore(store)

    @cached_property
    def history(self) -> dict[date, Outcomes]:
        """The outcomes of the last nights up to this one, oldest first."""
        history: dict[date, dict[Stage, StageOutcome | None]] = {}
        for outcome in read_outcomes(self.database, self.recipe.name, self.date, _NIGHTS):
            history.setdefault(outcome.night, dict.fromkeys(STAGES))[outcome.stage] = outcome
        return dict(sorted(history.items())[-_NIGHTS:])

    @cached_property
    def moves(self) -> list[RefMove]:
        """The champion's moves up to this night, oldest first."""
        log = read_log_tail(self.database, self.recipe.name, "champion")
        return [move for move in log if move.night <= self.date]

    @property
    def outcomes(self) -> Outcomes:
        """The outcome of each stage."""
        return self.history.get(self.date) or dict.fromkeys(STAGES)

    @property
    def champion(self) -> RefMove | None:
        """The move that made the champion in use after this night."""
        return self.moves[-1] if self.moves else None

    @cached_property
    def drift(self) -> str | None:
        """How the answers of the champion in use differ from what the recipe asks for, or None if they do not."""
        champion = self.champion
        if champion is None or champion.cites is None:
            return None
        cited = champion.cites
        answered = self.lenient_store.attempt(
            f"task of champion {short(champion.new)}", lambda: find_task(self.store, load_citation(self.store, cited))
        )
        return describe_drift(answered, specify_task(self.recipe.task, Prompt.as_id(""))) if answered else None

    @cached_property
    def preparation(self) -> Preparation | None:
        """The result of the prepare stage."""
        return self.lenient_store.load(Preparation, manifest_of(self.outcomes["prepare"]))

    @cached_property
    def curated(self) -> Curated | None:
        """The curation, also of a night that was refused after curation."""
        return self._load_of(Curated, self.preparation.content.curated if self.preparation else None)

    @property
    def rows(self) -> Preparation | Curated | None:
        """The manifest with the outcomes of the rows. For a night that was refused this is the curation."""
        return self.preparation or self.curated

    @cached_property
    def records(self) -> Records | None:
        """The rows as they were received."""
        return self.lenient_store.load(Records, self.rows.content.records if self.rows else None)

    @cached_property
    def snapshot(self) -> Snapshot | None:
        """The snapshot."""
        return self.lenient_store.load(Snapshot, self.preparation.content.snapshot if self.preparation else None)

    @cached_property
    def verdict(self) -> Verdict | None:
        """The verdict."""
        return self.lenient_store.load(Verdict, manifest_of(self.outcomes["finetune"]))

    def has_promoted(self, verdict: Verdict) -> bool:
        """Whether a verdict's candidate became champion in its night, by this verdict or by an equal one."""
        decided = (verdict.content.candidate, verdict.content.night)
        return verdict.content.promote and any((move.new, str(move.night)) == decided for move in self.moves)

    @cached_property
    def parity(self) -> Parity | None:
        """The parity checks: training, evaluation and batch use the same model."""
        return self.lenient_store.load(Parity, self.verdict.content.parity if self.verdict else None)

    @cached_property
    def blueprint(self) -> Blueprint | None:
        """The blueprint, also of a night that ended before its verdict."""
        return self._load_of(Blueprint, self.verdict.content.blueprint if self.verdict else None)

    @cached_property
    def item_tokens(self) -> dict[str, ItemTokens]:
        """The tokens of the items of each eval set, by its id."""
        members = list_night(self.database, self.recipe.name, self.date, ItemTokens.kind)
        found = (self.lenient_store.load(ItemTokens, member.manifest) for member in members)
        return {counted.key.evalset: counted for counted in found if counted}

    @cached_property
    def rankings(self) -> tuple[Ranking, ...]:
        """Rankings of the blueprint's trials at each rung and at the end, up to the last one made."""
        rankings: list[Ranking] = []
        while self.blueprint:
            ranking = self.lenient_store.find(Ranking, Ranking.Key(blueprint=self.blueprint.id, rung=len(rankings)))
            if ranking is None:
                break
            rankings.append(ranking)
        return tuple(rankings)

    @cached_property
    def trial(self) -> Trial | None:
        """The trial that made the candidate. For a night without a verdict this is the last trial trained."""
        if self.verdict is None:
            return self._load_of(Trial, None)
        if self.blueprint is None or not self.rankings:
            return None
        return self.lenient_store.find(
            Trial, identify_trial(self.blueprint.content, self.rankings[-1].result.survivors[0])
        )

    @cached_property
    def predictions(self) -> Predictions | None:
        """The predictions of the night's batch."""
        return self.lenient_store.load(Predictions, manifest_of(self.outcomes["predict"]))

    @cached_property
    def plan(self) -> PredictionPlan | None:
        """The plan of the night's batch."""
        return self.lenient_store.load(PredictionPlan, self.predictions.content.plan if self.predictions else None)

    def _load_of(self, kind: type[M], named: str | None) -> M | None:
        """Load the manifest of that id, or if None, the last one of its kind that the night made or used."""
        return self.lenient_store.load(kind, named or find_last(self.database, self.recipe.name, self.date, kind.kind))


def manifest_of(outcome: StageOutcome | None) -> str | None:
    """Return the id of the manifest that a stage left, or None."""
    return outcome.manifest if outcome else None
