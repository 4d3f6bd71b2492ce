"""Findings: what an interval of a difference says, given the loss that would not matter."""

from nightloom.artifacts.results import Finding


def judge_difference(low: float, high: float, margin: float) -> Finding:
    """Say what an interval of candidate minus other shows. The bounds decide, never a p-value.

    - BETTER: all of it lies above 0.
    - WORSE: all of it lies below 0, however little. A loss within the margin is one that could not be told from none;
      one that is shown counts, or the champion would walk downhill in steps each small enough to pass.
    - NOT_WORSE: all of it lies above -margin (non-inferiority).
    - INCONCLUSIVE: it holds both 0 and a loss that would matter.
    """
    if low > 0:
        return "BETTER"
    if high < 0:
        return "WORSE"
    return "NOT_WORSE" if low > -margin else "INCONCLUSIVE"
