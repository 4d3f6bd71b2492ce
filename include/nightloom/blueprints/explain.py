"""Explaining: which field made a result another one than those before it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from nightloom.artifacts.blueprints import Blueprint, BlueprintSpec
from nightloom.artifacts.data import Snapshot
from nightloom.artifacts.fingerprints import PARITY, SCORES, TOKENS, Fingerprint
from nightloom.artifacts.training import Trial, TrialKey, identify_trial
from nightloom.blueprints.changes import Change, diff_blueprints, diff_trials, tell_changes
from nightloom.core.digests import short
from nightloom.core.store import ObjectStore


def _code(fingerprint: Fingerprint) -> tuple[str, ...]:
    return tuple(f"code.{name}" for name in fingerprint.modules)


def _libraries(fingerprint: Fingerprint) -> tuple[str, ...]:
    return tuple(f"packages.{name}" for name in fingerprint.libraries)


_SCORING = ("code.evaluation", "code.statistics", "eval_sets")
_ANSWERS = (*_code(SCORES), *_libraries(SCORES), *_SCORING)

FOLLOWS_FROM = {
    "tokens": ("snapshot", "tokenizer", "template", "task", *_code(TOKENS), *_libraries(TOKENS)),
    "parity": ("snapshot", "base", "task", "max_new_tokens", *_code(PARITY), *_libraries(PARITY)),
    "scores": ("base", "task", "max_new_tokens", *_ANSWERS),
    "scores of an adapter": _ANSWERS,
    "scores of the linear classifier": ("snapshot", "primary", "task.answer", *_SCORING),
}
"""The fields of a blueprint that a result follows from, by what they begin with."""


@dataclass(frozen=True, slots=True)
class Explainer:
    """Compares with what there was before.

    Attributes:
        store: Has the snapshots, for their rows.
        earlier: Blueprints of the recipe, the newest last.
        trained: Trials of the recipe, the newest last.
    """

    store: ObjectStore
    earlier: Sequence[Blueprint]
    trained: Sequence[Trial]

    def explain_trial(self, spec: BlueprintSpec, number: int) -> str:
        """Describe what made a trial another one than the nearest that was trained."""
        wanted = identify_trial(spec, number)
        # The newest of those that are equally near.
        compared = [(diff_trials(one.key, wanted, number), one) for one in reversed(self.trained)]
        if not compared:
            return "it is the recipe's first"
        changes, nearest = min(compared, key=lambda pair: len(pair[0]))
        if not changes:
            return f"trial {short(nearest.id)} was the same, and is in the store no more"
        return f"{self._tell(changes)} since {self._whose(nearest.key)}"

    def explain(self, spec: BlueprintSpec, kind: str, otherwise: str) -> str:
        """Describe what changed of the fields that a kind of result follows from, since they were nearest.

        Args:
            spec: As it would run here.
            kind: One of `FOLLOWS_FROM`.
            otherwise: What to say when none of them changed.
        """
        compared = [
            ([c for c in diff_blueprints(one.content, spec) if c.field.startswith(FOLLOWS_FROM[kind])], one)
            for one in reversed(self.earlier)
        ]
        changes, nearest = min(compared, key=lambda pair: len(pair[0]), default=([], None))
        if not changes or nearest is None:
            return otherwise
        return f"{self._tell(changes)} since {_name(nearest)}"

    def _tell(self, changes: Iterable[Change]) -> str:
        return tell_changes([tell_rows(self.store, change) for change in changes])

    def _whose(self, trial: TrialKey) -> str:
        """Describe which blueprint a trial was of, the latest that planned it."""
        for blueprint in reversed(self.earlier):
            for number in range(len(blueprint.content.trials)):
                if identify_trial(blueprint.content, number) == trial:
                    return f"trial {number} of {_name(blueprint)}"
        return "a trial of an older blueprint"


def tell_rows(store: ObjectStore, change: Change) -> Change:
    """Return a change of snapshots with the rows of each split, where both are there; any other as it is."""
    if change.field != "snapshot":
        return change
    before, after = (store.load_if_there(Snapshot, str(one)) for one in (change.before, change.after))
    if before is None or after is None:
        return change
    old, new = before.content.splits, after.content.splits
    grown = [name for name in sorted({*old, *new}) if old.get(name, 0) != new.get(name, 0)]
    counts = [f"{old.get(name, 0):,} → {new.get(name, 0):,} {name} rows" for name in grown]
    return replace(change, detail=", ".join(counts) or "as many rows of each split")


def _name(blueprint: Blueprint) -> str:
    return f"blueprint {short(blueprint.id)} (night {blueprint.provenance.night})"
