"""Caveats: what a reader should know before relying on a comparison, with advice."""

from collections.abc import Iterator

from nightloom.artifacts.results import Comparison, Metric, VerdictContent
from nightloom.artifacts.showing import show_difference, show_value, style_difference
from nightloom.evaluation.scorers import Valid

_RARELY = 0.05
"""Largest share of valid answers of a baseline that is not able to do the task at all."""


def list_caveats(verdict: VerdictContent) -> Iterator[str]:
    """Yield the caveats of the deciding eval set, in sentences."""
    deciding = verdict.deciding_comparison
    if deciding is None:
        return
    of_set = [one for one in verdict.comparisons if one.eval_set == deciding.eval_set]
    simple = next((one for one in of_set if one.against == "linear_classifier"), None)
    if simple and simple.finding == "WORSE":
        yield _advise_on_classifier(verdict, simple)
    valid = verdict.find_metric("baseline", deciding.eval_set, Valid.name)
    if valid and valid.value is not None and valid.value <= _RARELY:
        yield _advise_on_baseline(valid, has_classifier=simple is not None)


def _advise_on_classifier(verdict: VerdictContent, simple: Comparison) -> str:
    ours = verdict.find_metric("candidate", simple.eval_set, simple.metric)
    theirs = verdict.find_metric("linear_classifier", simple.eval_set, simple.metric)
    scores = f"{show_value(theirs)} against {show_value(ours)}, " if ours and theirs else ""
    difference = show_difference(simple, style_difference(simple.scale))
    return (
        f"A linear classifier (TF-IDF and logistic regression) does better than the candidate on the same items: "
        f"{simple.metric} {scores}a difference of {difference}. It trains in seconds: if {simple.metric} is all you "
        f"need, use it. Otherwise give the candidate more rows, more training or a larger base model before you rely "
        f"on it."
    )


def _advise_on_baseline(valid: Metric, *, has_classifier: bool) -> str:
    right = round((valid.value or 0) * valid.n)
    how = "never answers" if right == 0 else "hardly ever answers"
    instead = "The comparison with the linear classifier says more. " if has_classifier else ""
    return (
        f"The base model alone {how} in the form asked for ({right:,} of {valid.n:,} items), so to be BETTER than it "
        f"says little. {instead}For a fair comparison, describe the form in the prompt, with an example."
    )
