"""The dummy engine: instant and deterministic. It gives the answer that most words of a text voted for in training."""

from collections.abc import Iterator, Mapping, Sequence

from nightloom.artifacts.answers import Answer, Request
from nightloom.base_models.dummy import Votes, answer_by_votes, split_words
from nightloom.engines.base import read_texts


class DummyEngine:
    """Answers the last message of a request by votes. Its tokens are words."""

    def __init__(self, votes: Votes) -> None:
        self._votes = votes

    def answer(self, requests: Sequence[Request]) -> Iterator[Mapping[int, Answer]]:
        """Answer all requests at once."""
        chats = read_texts(requests, "dummy", {"max_completion_tokens"})
        limits = (request.parameters.max_completion_tokens for request in requests)
        yield {
            index: self._answer(chat[-1]["content"], limit)
            for index, (chat, limit) in enumerate(zip(chats, limits, strict=True))
        }

    def _answer(self, text: str, limit: int) -> Answer:
        asked = split_words(text)
        answer = answer_by_votes(self._votes, asked)
        words = answer.split()
        is_cut = len(words) > limit
        return Answer(
            text=" ".join(words[:limit]) if is_cut else answer,
            finish_reason="length" if is_cut else "stop",
            prompt_tokens=len(asked),
            completion_tokens=min(len(words), limit),
            seconds=0,
        )
