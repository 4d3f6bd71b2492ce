"""Explain: the changes of a blueprint that make a cached result unusable."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from nightloom.artifacts.blueprints import Blueprint, BlueprintSpec
from nightloom.artifacts.data import Snapshot
from nightloom.artifacts.fingerprints import PARITY, SCORES, TOKENS, Fingerprint
from nightloom.artifacts.training import Trial, TrialKey, identify_trial
from nightloom.blueprints.changes import Change, describe_changes, diff_blueprints, diff_trials
from nightloom.core.digests import short
from nightloom.core.store import ObjectStore


def _code(fingerprint: Fingerprint) -> tuple[str, ...]:
    return tuple(f"code.{name}" for name in fingerprint.modules)


def _libraries(fingerprint: Fingerprint) -> tuple[str, ...]:
    return tuple(f"packages.{name}" for name in fingerprint.libraries)


_SCORING = ("code.evaluation", "code.statistics", "eval_sets")
_ANSWERS = (*_code(SCORES), *_libraries(SCORES), *_SCORING)

DEPENDS_ON = {
    "tokens": ("snapshot", "tokenizer", "template", "task", *_code(TOKENS), *_libraries(TOKENS)),
    "parity": ("snapshot", "base", "task", "max_new_tokens", *_code(PARITY), *_libraries(PARITY)),
    "scores": ("base", "task", "max_new_tokens", *_ANSWERS),
    "scores of an adapter": _ANSWERS,
    "scores of the linear classifier": ("snapshot", "primary", "task.answer", *_SCORING),
}
"""Kind of result → prefixes of the blueprint fields that determine it."""


@dataclass(frozen=True, slots=True)
class Explainer:
    """Compares a blueprint with earlier blueprints and trials of its recipe.

    Attributes:
        store: Holds the snapshots, to count their rows.
        earlier: Earlier blueprints, the newest last.
        trained: Finished trials, the newest last.
    """

    store: ObjectStore
    earlier: Sequence[Blueprint]
    trained: Sequence[Trial]

    def explain_trial(self, spec: BlueprintSpec, number: int) -> str:
        """Return how a trial differs from the most similar finished trial."""
        wanted = identify_trial(spec, number)
        # Newest first: `min` returns the first of several equally similar trials.
        compared = [(diff_trials(one.key, wanted, number), one) for one in reversed(self.trained)]
        if not compared:
            return "first trial of the recipe"
        changes, nearest = min(compared, key=lambda pair: len(pair[0]))
        if not changes:
            return f"trial {short(nearest.id)} was the same, but is no longer in the store"
        return f"{self._describe(changes)} since {self._name_trial(nearest.key)}"

    def explain(self, spec: BlueprintSpec, kind: str, unchanged: str) -> str:
        """Return what changed in the fields that determine a kind of result, since the most similar blueprint.

        Args:
            spec: Blueprint with the code and packages of this installation.
            kind: Key of `DEPENDS_ON`.
            unchanged: Text to return if none of the fields changed.
        """
        compared = [
            ([c for c in diff_blueprints(one.content, spec) if c.field.startswith(DEPENDS_ON[kind])], one)
            for one in reversed(self.earlier)
        ]
        changes, nearest = min(compared, key=lambda pair: len(pair[0]), default=([], None))
        if not changes or nearest is None:
            return unchanged
        return f"{self._describe(changes)} since {_name(nearest)}"

    def _describe(self, changes: Iterable[Change]) -> str:
        return describe_changes([add_row_counts(self.store, change) for change in changes])

    def _name_trial(self, trial: TrialKey) -> str:
        """Return the number of a trial and the latest blueprint that planned it."""
        for blueprint in reversed(self.earlier):
            for number in range(len(blueprint.content.trials)):
                if identify_trial(blueprint.content, number) == trial:
                    return f"trial {number} of {_name(blueprint)}"
        return "a trial of an older blueprint"


def add_row_counts(store: ObjectStore, change: Change) -> Change:
    """Return a snapshot change with the row counts of each split if both snapshots exist; other changes unchanged."""
    if change.field != "snapshot":
        return change
    before, after = (store.load_if_there(Snapshot, str(one)) for one in (change.before, change.after))
    if before is None or after is None:
        return change
    old, new = before.content.splits, after.content.splits
    grown = [name for name in sorted({*old, *new}) if old.get(name, 0) != new.get(name, 0)]
    counts = [f"{old.get(name, 0):,} → {new.get(name, 0):,} {name} rows" for name in grown]
    return replace(change, detail=", ".join(counts) or "same number of rows in each split")


def _name(blueprint: Blueprint) -> str:
    return f"blueprint {short(blueprint.id)} (night {blueprint.provenance.night})"
