"""Gates: what a candidate must pass to be promoted, in the order in which they are asked; the first refusal is told."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from nightloom.artifacts.ids import AdapterId
from nightloom.artifacts.results import Comparison, GateResult


@dataclass(frozen=True, slots=True)
class Case:
    """What gates judge a candidate by.

    Attributes:
        candidate: Adapter.
        champion: Adapter that the candidate would replace; None if there is none.
        promote_on: What the recipe asks of the comparison with the champion.
        comparisons: The one that decides comes first: with the champion, or with the baseline if there is no champion.
        mismatch: What is not the same wherever the candidate is used; None if all is, or it has no weights.
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
"""Returns why a candidate is not promoted, as the end of a sentence; None if the gate lets it through."""


def check_parity(case: Case) -> str | None:
    """The candidate is one and the same model in training, evaluation and batch."""
    return f"but {case.mismatch}, so nothing is promoted" if case.mismatch else None


def check_novelty(case: Case) -> str | None:
    """The candidate is not the champion itself."""
    return "it is the same adapter as the champion, which stays" if case.candidate == case.champion else None


def check_primary(case: Case) -> str | None:
    """The primary comparison shows what the recipe asks for; the first champion must be BETTER than the baseline."""
    if case.deciding.finding == "BETTER":
        return None
    if case.champion is None:
        return "there is still no champion, as the first must be BETTER than the baseline"
    is_enough = case.promote_on == "not_worse" and case.deciding.finding == "NOT_WORSE"
    return None if is_enough else "the champion stays"


def check_baseline(case: Case) -> str | None:
    """Beside a champion too, the candidate is BETTER than the baseline: no gain over it is not worth serving."""
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
    """Return what each gate says, in order."""
    refusals = [(name, gate(case)) for name, gate in GATES]
    return tuple(GateResult(name=name, passed=refusal is None, sentence=refusal or "") for name, refusal in refusals)


def describe_consequence(case: Case, gates: tuple[GateResult, ...]) -> str:
    """Return what follows from the gates: the first refusal, or the promotion."""
    refusal = next((gate.sentence for gate in gates if not gate.passed), None)
    if refusal:
        return refusal
    return "the candidate becomes the first champion" if case.champion is None else "the candidate becomes the champion"
