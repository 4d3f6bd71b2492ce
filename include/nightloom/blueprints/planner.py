"""Planner: for every step of a blueprint, whether its result is cached, and if not, what changed.

It only reads manifests. Nothing is trained, loaded or written, and torch is not needed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import islice

from nightloom.artifacts.blueprints import Blueprint, BlueprintSpec, EvalSetUse, number_configurations
from nightloom.artifacts.data import Snapshot
from nightloom.artifacts.ids import AdapterId, BlueprintId
from nightloom.artifacts.models import Adapter, BaseModelManifest, ModelRef, TaskSpec
from nightloom.artifacts.results import Parity, Scores, Verdict
from nightloom.artifacts.training import Divergence, Ranking, Rung, Tokens, Trial, identify_trial
from nightloom.base_models.freeze import find_frozen
from nightloom.blueprints.changes import diff_blueprints
from nightloom.blueprints.compile import (
    draft_recipe,
    find_preparation,
    installed_code,
    installed_versions,
    list_newest_blueprints,
)
from nightloom.blueprints.estimate import (
    Estimate,
    add_estimates,
    compare_with_budget,
    count_trainings,
    estimate_trial,
)
from nightloom.blueprints.explain import Explainer, add_row_counts
from nightloom.blueprints.plan import Plan, PlanItem
from nightloom.core.digests import short
from nightloom.core.errors import InputError
from nightloom.core.manifests import Manifest
from nightloom.core.nights import Stop, parse_night
from nightloom.core.settings import get_settings
from nightloom.core.stages import STEPS
from nightloom.core.store import ObjectStore
from nightloom.evaluation.linear_classifier import identify_linear_classifier
from nightloom.evaluation.scoring import identify_scores
from nightloom.processes.packages import worker_packages
from nightloom.promotion.champions import find_champion
from nightloom.promotion.parity import identify_parity
from nightloom.recipes.check import load_recipe
from nightloom.registry.database import Database
from nightloom.registry.members import list_newest
from nightloom.registry.questions import list_children
from nightloom.registry.trials import TrialProgress, read_trials
from nightloom.rendering.encode import identify_tokens
from nightloom.training.settings import DEFAULTS

_MOST_TRIALS = 40
"""Number of recent trials used for comparisons and estimates."""


def plan_recipe(store: ObjectStore, database: Database, recipe: str, night: date) -> Plan:
    """Return the plan for a night of the current recipe; store nothing.

    Raises:
        InputError: The recipe or its prompt cannot be used, or the night was not prepared.
    """
    settings = load_recipe(recipe)
    prepared = find_preparation(store, database, recipe, night)
    if isinstance(prepared, Stop):
        raise InputError(prepared.message)
    earlier = list_newest_blueprints(store, database, recipe)
    frozen = find_frozen(store, settings.train.base)
    if frozen is None:
        base = PlanItem("base model", "would run", reason=f"{settings.train.base} has to be built or downloaded first")
        rest = ("tokens", "trials", "scores", "verdict")
        waiting = [PlanItem(name, "unknown", reason="waits for the base model") for name in rest]
        return Plan(recipe, night, None, items=[base, *waiting])
    return _Planner(store, database, draft_recipe(store, settings, night, prepared, frozen), night, earlier).plan()


def plan_blueprint(store: ObjectStore, database: Database, blueprint_id: BlueprintId) -> Plan:
    """Return the plan for running a stored blueprint, for the night that it was first compiled for.

    Raises:
        ManifestError: The blueprint is not in the store.
    """
    blueprint = store.load(Blueprint, blueprint_id)
    earlier = list_newest_blueprints(store, database, blueprint.content.recipe)
    return _Planner(store, database, blueprint, parse_night(blueprint.provenance.night), earlier).plan()


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the training: from one share of its steps to the share at which trials are ranked."""

    begin: float
    end: float
    trials: Sequence[int] | None  # None until the part before it is ranked
    ranking: Ranking | None


@dataclass(frozen=True)
class _Planner:
    store: ObjectStore
    database: Database
    blueprint: Blueprint
    night: date
    known: Sequence[Blueprint]

    def plan(self) -> Plan:
        since = self._earlier[-1] if self._earlier else None
        items = [item for step in STEPS["finetune"] for item in PLANNED[step.name](self)]
        expected = self._estimate_all(items)
        spent_s = sum(one.seconds for one in self._progress.values())
        return Plan(
            recipe=self.blueprint.content.recipe,
            night=self.night,
            blueprint=self.blueprint,
            is_stored=self.store.find(Blueprint, self.blueprint.content) is not None,
            previous=since,
            changes=[add_row_counts(self.store, one) for one in diff_blueprints(since.content, self.blueprint.content)]
            if since
            else [],
            items=items,
            environment_changes=diff_blueprints(self.blueprint.content, self._here),
            estimate=expected,
            over_budget=compare_with_budget(self.blueprint.content.budget, expected, spent_s),
        )

    @cached_property
    def _earlier(self) -> list[Blueprint]:
        """Blueprints before this one, or all if this one is new."""
        ids = [one.id for one in self.known]
        before = ids.index(self.blueprint.id) if self.blueprint.id in ids else len(ids)
        return list(self.known[:before])

    @cached_property
    def _here(self) -> BlueprintSpec:
        """The blueprint with the code and packages of this installation."""
        found = {"code": installed_code(), "packages": installed_versions()}
        return self.blueprint.content.model_copy(update=found)

    @cached_property
    def _trained(self) -> list[Trial]:
        """Recent trials of the recipe, the newest last."""
        newest = islice(list_newest(self.database, "trial", self.blueprint.content.recipe), _MOST_TRIALS)
        found = [trial for one in newest if (trial := self.store.load_if_there(Trial, one.manifest))]
        return found[::-1]

    @cached_property
    def _explainer(self) -> Explainer:
        own = list(self._finished.values())
        return Explainer(self.store, self._earlier, [one for one in self._trained if one not in own])

    @cached_property
    def _finished(self) -> dict[int, Trial]:
        """Finished trials of this blueprint, by number."""
        numbers = range(len(self.blueprint.content.trials))
        found = ((n, self.store.find(Trial, identify_trial(self.blueprint.content, n))) for n in numbers)
        return {number: trial for number, trial in found if trial}

    @property
    def _shares(self) -> tuple[float, ...]:
        """Shares of training at which trials are ranked: the rungs and the end."""
        pruning = self.blueprint.content.pruning
        return (*(pruning.rungs if pruning else ()), 1.0)

    @cached_property
    def _progress(self) -> dict[str, TrialProgress]:
        """Progress of this blueprint's trials that have begun, by id."""
        spec = self.blueprint.content
        ids = [Trial.id_of(identify_trial(spec, number)) for number in range(len(spec.trials))]
        return {one.trial: one for one in read_trials(self.database, ids)}

    def _plan_inputs(self) -> Iterator[PlanItem]:
        spec = self.blueprint.content
        yield self._find_input("base model", spec.base, self.store.load_if_there(BaseModelManifest, spec.base))
        yield self._find_input("snapshot", spec.snapshot, self.store.load_if_there(Snapshot, spec.snapshot))
        if spec.tokenizer is None or spec.template is None:
            return
        tokens = identify_tokens(self._here, spec.tokenizer, spec.template, worker_packages())
        yield self._plan_cached("tokens", self.store.find(Tokens, tokens), "tokens", "this snapshot is not encoded yet")

    def _find_input(self, name: str, wanted: str, found: Manifest | None) -> PlanItem:
        if found:
            return PlanItem(name, "exists", wanted)
        return PlanItem(name, "missing", reason=f"{short(wanted)} is not in the store; restore it from a backup")

    def _plan_trials(self) -> Iterator[PlanItem]:
        for part in self._parts:
            to = "" if part.end == 1 else f" to {part.end:.0%} of its steps"
            if part.trials is None:
                yield PlanItem(f"trials{to}", "unknown", reason="waits for the ranking at the rung before")
            for number in part.trials or ():
                yield self._plan_trial(f"trial {number}{to}", number, part)
            name = "ranking" if part.end == 1 else f"ranking at {part.end:.0%}"
            if part.ranking:
                yield PlanItem(name, "exists", part.ranking.id)
            else:
                yield PlanItem(name, "would run", reason="waits for its trials")

    @cached_property
    def _parts(self) -> list[_Part]:
        """The parts of training, from rung to rung and to the end."""
        parts: list[_Part] = []
        trials: Sequence[int] | None = range(len(self.blueprint.content.trials))
        for number, share in enumerate(self._shares):
            ranking = self._find_ranking(number)
            parts.append(_Part(parts[-1].end if parts else 0.0, share, trials, ranking))
            trials = ranking.result.survivors if ranking else None
        return parts

    def _find_ranking(self, rung: int) -> Ranking | None:
        return self.store.find(Ranking, Ranking.Key(blueprint=self.blueprint.id, rung=rung))

    def _plan_trial(self, name: str, number: int, part: _Part) -> PlanItem:
        trial = identify_trial(self.blueprint.content, number)
        found: Manifest | None = self._finished.get(number)
        if found is None and part.end < 1:
            found = self.store.find(Rung, Rung.Key(trial=trial, share=part.end))
        if found:
            return PlanItem(name, "exists", found.id)
        if lost := self.store.find(Divergence, trial):
            return PlanItem(name, "exists", lost.id, "diverged")
        reason = self._explainer.explain_trial(self.blueprint.content, number)
        begun = self._progress.get(Trial.id_of(trial))
        done = begun.step / begun.steps if begun and begun.steps else 0.0
        if begun and done:
            reason = f"resumes from step {begun.step} of {begun.steps}"
        whole = self._estimate(number)
        left = max(part.end - max(part.begin, done), 0.0)
        return PlanItem(name, "would run", reason=reason, estimate=whole.scaled(left) if whole else None)

    def _plan_cached(self, name: str, found: Tokens | Parity | Scores | None, kind: str, unchanged: str) -> PlanItem:
        if found:
            return PlanItem(name, "exists", found.id)
        return PlanItem(name, "would run", reason=self._explainer.explain(self._here, kind, unchanged))

    def _plan_comparison(self) -> Iterator[PlanItem]:
        spec = self.blueprint.content
        candidate = self._find_candidate()
        champion = find_champion(self.store, self.database, spec.recipe, self.night)
        task = spec.task
        for use in spec.eval_sets:
            yield self._plan_scores("baseline", use, ModelRef(base=spec.base), task)
            if candidate is None:
                yield PlanItem(
                    f"scores of candidate on {use.name}", "unknown", reason="waits for the ranking of the trials"
                )
            else:
                yield self._plan_scores("candidate", use, ModelRef(base=spec.base, adapter=candidate), task)
            served = self.store.load_if_there(Adapter, champion.adapter if champion else None)
            if champion and served:
                model = ModelRef(base=served.content.base, adapter=served.id)
                yield self._plan_scores("champion", use, model, champion.task)
            if spec.linear_classifier:
                scores = self.store.find(Scores, identify_linear_classifier(self._here, use.evalset, worker_packages()))
                yield self._plan_cached(
                    f"scores of linear classifier on {use.name}",
                    scores,
                    "scores of the linear classifier",
                    "it is not scored on this yet",
                )
        yield self._plan_verdict(candidate, champion.adapter if champion else None)

    def _plan_parity(self) -> Iterator[PlanItem]:
        candidate = self._find_candidate()
        if self.blueprint.content.tokenizer is None:
            return
        if candidate is None:
            yield PlanItem("parity", "unknown", reason="waits for the ranking of the trials")
            return
        spec = self.blueprint.content
        model = ModelRef(base=spec.base, adapter=candidate)
        wanted = identify_parity(model, spec.task, spec.max_new_tokens, spec.snapshot, worker_packages())
        yield self._plan_cached("parity", self.store.find(Parity, wanted), "parity", "a new adapter")

    def _plan_scores(self, role: str, use: EvalSetUse, model: ModelRef, task: TaskSpec) -> PlanItem:
        key = identify_scores(task, self.blueprint.content.max_new_tokens, model, use.evalset, worker_packages())
        scores = self.store.find(Scores, key)
        unchanged = "a new adapter" if role == "candidate" else f"the {role} is not scored on this yet"
        kind = "scores of an adapter" if model.adapter else "scores"
        return self._plan_cached(f"scores of {role} on {use.name}", scores, kind, unchanged)

    def _find_candidate(self) -> AdapterId | None:
        ranking = self._find_ranking(len(self._shares) - 1)
        trials = self.blueprint.content.trials
        number = ranking.result.survivors[0] if ranking else 0
        found = self._finished.get(number) if ranking or len(trials) == 1 else None
        return found.result.adapter if found else None

    def _plan_verdict(self, candidate_id: AdapterId | None, champion_id: AdapterId | None) -> PlanItem:
        if candidate_id is None:
            return PlanItem("verdict", "unknown", reason="waits for the scores of the candidate")
        for one in reversed(list_children(self.database, candidate_id, "verdict", "candidate")):
            verdict = self.store.load_if_there(Verdict, one)
            decided = verdict and (
                *(verdict.content.blueprint, verdict.content.candidate),
                *(verdict.content.champion, verdict.content.night),
            )
            if verdict and decided == (self.blueprint.id, candidate_id, champion_id, self.night.isoformat()):
                return PlanItem("verdict", "exists", verdict.id, verdict.content.finding)
        return PlanItem("verdict", "would run", reason="no verdict on this candidate and champion that night")

    def _estimate(self, number: int) -> Estimate | None:
        snapshot = self.store.load_if_there(Snapshot, self.blueprint.content.snapshot)
        if snapshot is None:
            return None
        plan, examples = self.blueprint.content.trials[number], snapshot.content.splits.get("train", 0)
        return estimate_trial(plan, examples, self._trained, DEFAULTS, get_settings().prices)

    def _estimate_all(self, items: Sequence[PlanItem]) -> Estimate | None:
        """Return the estimate of all training: the known items, and those that will follow the next rankings."""
        known = [item.estimate for item in items if item.estimate]
        pruning = self.blueprint.content.pruning
        last = next(part for part in reversed(self._parts) if part.trials is not None)
        if pruning and known and last.trials:
            ends = [part.end for part in self._parts if part.end >= last.end]
            numbers = number_configurations(self.blueprint.content.trials)
            configurations = len({numbers[trial] for trial in last.trials})
            share = count_trainings(ends, configurations, pruning) / configurations
            known += [whole.scaled(share) for number in last.trials if (whole := self._estimate(number))]
        return add_estimates(known)


def _plan_nothing(_: _Planner) -> Iterator[PlanItem]:
    return iter(())


PLANNED: Mapping[str, Callable[[_Planner], Iterator[PlanItem]]] = {
    "compile_blueprint": _Planner._plan_inputs,
    "list_trials": _plan_nothing,
    "train_trial": _Planner._plan_trials,
    "rank_trials": _plan_nothing,  # planned with the trials: a ranking decides which of them train further
    "pick_candidate": _plan_nothing,
    "prove_parity": _Planner._plan_parity,
    "compare_candidate": _Planner._plan_comparison,
    "promote_candidate": _plan_nothing,
}
"""Step of the finetune stage → its items of a plan."""
