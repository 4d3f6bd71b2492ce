"""Parity checks: hold token ids, logits and answers of a model against those of transformers and peft alone."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nightloom.artifacts.results import ParityCheck
from nightloom.core.counts import show_count

_CHANGE = 1e-3
"""An adapter that changes no logit by more has no effect. Trained adapters change logits by about 1 or more."""

TOLERANCES = {"float32": 1e-4, "float16": 1e-2, "bfloat16": 5e-2}
"""Allowed change of logits by merging, as a share of the largest logit: merging rounds each weight to its type."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer of transformers and peft alone to one prompt.

    Attributes:
        tokens: Token ids of the answer, with its end token.
        leads: For each token, its logit's lead over every other, as a share of the largest logit. Negative if another
            token was likelier.
    """

    tokens: list[int]
    leads: list[float]


@dataclass(frozen=True, slots=True)
class Reference:
    """Results of transformers and peft alone.

    Attributes:
        base_logits: Logits of the base model, one row per prompt.
        logits: The same of the tuned model.
        answers: Answers of the tuned model.
        dtype: Type of its weights.
        tied: Layer that the adapter changes although the base model ties it to another, or None.
    """

    base_logits: Any
    logits: Any
    answers: list[Answer]
    dtype: str
    tied: str | None = None


def check_ids(learned: Sequence[Sequence[int]], asked: Sequence[Sequence[int]]) -> ParityCheck:
    """Return whether the token ids before each answer are those of training."""
    differing = sum(list(ours) != list(theirs) for ours, theirs in zip(learned, asked, strict=True))
    if differing or not asked:
        message = (
            f"the token ids before the answer differ between training and inference in {differing} of "
            f"{len(asked)} examples"
        )
    else:
        message = f"the token ids of {show_count(len(asked), 'example')} are the same in training, evaluation and batch"
    return _make_check("ids", differing, 0, len(asked), message, passed=bool(asked) and not differing)


def check_change(reference: Reference) -> ParityCheck:
    """Return whether the adapter changes logits of its base model, and all logits are finite."""
    n = len(reference.answers)
    change = _find_largest(reference.logits - reference.base_logits)
    passed = _CHANGE < change < sys.float_info.max
    if passed:
        message = f"the adapter changes logits of its base model by up to {change:.3g} in {show_count(n, 'example')}"
    elif not n:
        message = "no example leaves room for an answer in the model's context, so nothing can be compared"
    elif change > _CHANGE:
        message = f"logits of the adapter or of its base model are not finite in {show_count(n, 'example')}"
    else:
        message = (
            f"the adapter changes no logit of its base model by more than {_CHANGE:g} in {n} examples: {change:.3g} "
            f"at most"
        )
    return _make_check("adapter", change, _CHANGE, n, message, passed=passed)


def check_merge(reference: Reference, merged: Any) -> ParityCheck:
    """Return whether the logits of a merged model are the adapter's, up to rounding."""
    n = len(reference.answers)
    # Rounding is no excuse where merging into one layer changes another.
    tolerance = TOLERANCES["float32"] if reference.tied else _find_tolerance(reference)
    share = min(_find_largest(merged - reference.logits) / (_find_largest(reference.logits) or 1.0), sys.float_info.max)
    passed = share <= tolerance
    how = "within" if passed else "more than"
    message = (
        f"logits of the merged model differ from the adapter's by {share:.2g} of the largest in {n} examples, {how} "
        f"the {tolerance:g} allowed" + ("" if reference.tied else f" for {reference.dtype}")
    )
    if reference.tied and not passed:
        message += (
            f": the adapter changes {reference.tied}, which the base model ties to another layer; train it with "
            f"modules_to_save and ensure_weight_tying instead"
        )
    return _make_check("merge", share, tolerance, n, message, passed=passed)


def check_answers(reference: Reference, outputs: Sequence[list[int]]) -> ParityCheck:
    """Return whether the engine's answers are greedy, and those of the adapter asked one by one."""
    n, tolerance = len(reference.answers), _find_tolerance(reference)
    leads = [
        _find_lead(answer, output)
        for answer, output in zip(reference.answers, outputs, strict=True)
        if answer.tokens != output
    ]
    close = sum(lead <= tolerance for lead in leads)
    differing = len(leads) - close
    likelier = sum(min(answer.leads, default=0.0) < -tolerance for answer in reference.answers)
    if likelier:
        message = f"answers leave out the likeliest token in {likelier} of {n} examples, although they are to be greedy"
    elif differing:
        message = (
            f"answers of the engine's batch differ from those of the adapter asked one by one in {differing} of {n} "
            f"examples"
        )
    else:
        message = (
            f"answers of the engine's batch equal those of the adapter asked one by one in {n - close} of {n} examples"
        )
    if close and not likelier:
        message += f"; in {close} more the two likeliest tokens were closer than {tolerance:g} of the largest logit"
    wrong = max(likelier, differing)
    return _make_check("answers", wrong, 0, n, message, passed=not wrong)


def _find_tolerance(reference: Reference) -> float:
    return TOLERANCES.get(reference.dtype, TOLERANCES["float32"])


def _find_lead(answer: Answer, output: Sequence[int]) -> float:
    """Return the lead of the reference's token at the first position where the answers differ."""
    pairs = zip(answer.tokens, output, strict=False)
    position = next((at for at, (ours, theirs) in enumerate(pairs) if ours != theirs), len(output))
    return answer.leads[position] if position < len(answer.leads) else sys.float_info.max


def _find_largest(values: Any) -> float:
    """Return the largest magnitude, or the largest float if a value is not finite."""
    if not values.numel():
        return 0.0
    return float(values.abs().max()) if values.isfinite().all() else sys.float_info.max


def _make_check(name: Any, value: float, tolerance: float, n: int, message: str, *, passed: bool) -> ParityCheck:
    return ParityCheck(name=name, passed=passed, value=float(f"{value:.6g}"), tolerance=tolerance, n=n, message=message)
