"""A scorer: how many characters an answer has; the fewer, the better."""

from nightloom.artifacts.results import Scale
from nightloom.evaluation.scorers import Response, Scope, Score


class AnswerLength:
    """Scores the whole answer, whatever is expected."""

    name = "answer_length"
    version = "1"
    scope: Scope = "answer"
    scale = Scale(kind="real", unit="characters", direction="lower", least=0, most=None)

    def score(self, response: Response, target: str) -> Score:
        if response.answer is None:
            return Score(None, "no model was asked")
        return Score(len(response.answer.text))


SCORER = AnswerLength()
