"""Gates: conditions for a promotion, checked in order; the first refusal is the reason in the verdict."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from nightloom.artifacts.ids import AdapterId
from nightloom.artifacts.results import Comparison, GateResult


@dataclass(frozen=True, slots=True)
class Case:
    """Input of the gates.

    Attributes:
        candidate: Adapter of the candidate.
        champion: Adapter that the candidate would replace, or None if there is no champion.
        promote_on: Finding that the recipe requires against the champion.
        comparisons: The deciding one first: with the champion, or with the baseline if there is no champion.
        mismatch: Training-serving skew of the candidate, or None if there is none or it has no weights.
    """

    candidate: AdapterId
    champion: AdapterId | None
    promote_on: Literal["better", "not_worse"]
    comparisons: tuple[Comparison, ...]
    mismatch: str | None

    @property
    def deciding(self) -> Comparison:
        """The comparison that decides."""
        return self.comparisons[0]

    @property
    def baseline(self) -> Comparison:
        """The comparison with the baseline on the same eval set."""
        return next(one for one in self.comparisons if one.against == "baseline")


Gate = Callable[[Case], str | None]
"""Returns why a candidate is not promoted, as the end of a message, or None if it passes."""


def check_parity(case: Case) -> str | None:
    """Require the same model in training, evaluation and batch."""
    return f"but {case.mismatch}, so nothing is promoted" if case.mismatch else None


def check_novelty(case: Case) -> str | None:
    """Require a candidate that is not the champion itself."""
    return "the candidate is the same adapter as the champion, which stays" if case.candidate == case.champion else None


def check_primary(case: Case) -> str | None:
    """Require the recipe's finding in the deciding comparison; a first champion must be BETTER than the baseline."""
    if case.deciding.finding == "BETTER":
        return None
    if case.champion is None:
        return "there is still no champion: the first must be BETTER than the baseline"
    is_enough = case.promote_on == "not_worse" and case.deciding.finding == "NOT_WORSE"
    return None if is_enough else "the champion stays"


def check_baseline(case: Case) -> str | None:
    """Require BETTER than the baseline even if there is a champion: a model without that gain is not worth serving."""
    if case.champion is None or case.baseline.finding == "BETTER":
        return None
    return f"but {case.baseline.finding} against the baseline, so the champion stays"


GATES: tuple[tuple[str, Gate], ...] = (
    ("parity", check_parity),
    ("novelty", check_novelty),
    ("primary", check_primary),
    ("baseline", check_baseline),
)


def apply_gates(case: Case) -> tuple[GateResult, ...]:
    """Return the result of each gate, in order."""
    refusals = [(name, gate(case)) for name, gate in GATES]
    return tuple(GateResult(name=name, passed=refusal is None, message=refusal or "") for name, refusal in refusals)


def describe_consequence(case: Case, gates: tuple[GateResult, ...]) -> str:
    """Return the first refusal, or the promotion if all gates pass."""
    refusal = next((gate.message for gate in gates if not gate.passed), None)
    if refusal:
        return refusal
    return "the candidate becomes the first champion" if case.champion is None else "the candidate becomes the champion"
