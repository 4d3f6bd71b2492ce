"""Requests to engines, and an engine with scripted answers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from nightloom.artifacts.answers import Answer, FinishReason, Parameters, Request
from nightloom.engines.base import Engine


def make_request(text: str, max_completion_tokens: int = 8, **more: Any) -> Request:
    """A request of one message; more of its parameters by keyword."""
    parameters = Parameters(max_completion_tokens=max_completion_tokens, **more)
    return Request(messages=({"role": "user", "content": text},), parameters=parameters)


def make_answer(text: str, finish_reason: FinishReason = "stop", prompt: int = 1, completion: int = 1) -> Answer:
    return Answer(text=text, finish_reason=finish_reason, prompt_tokens=prompt, completion_tokens=completion, seconds=0)


def ask(engine: Engine, chats: Sequence[Sequence[Mapping[str, str]]], max_completion_tokens: int = 8) -> list[Answer]:
    """Return the answers to conversations, in their order."""
    parameters = Parameters(max_completion_tokens=max_completion_tokens)
    requests = [Request(messages=tuple(chat), parameters=parameters) for chat in chats]
    came = [pair for answers in engine.answer(requests) for pair in answers.items()]
    assert sorted(place for place, _ in came) == list(range(len(requests)))
    return [answer for _, answer in sorted(came, key=lambda pair: pair[0])]


class ListeningEngine:
    """An engine that records its messages and returns the scripted answer for the last one.

    Args:
        say: Gives the answer to a text.
        together: How many answers come at once.
    """

    def __init__(self, say: Callable[[str], Answer] = lambda _: make_answer("{}"), together: int = 1000) -> None:
        self.say, self.together = say, together
        self.heard: list[list[dict[str, Any]]] = []
        self.asked: list[Request] = []

    def answer(self, requests: Sequence[Request]) -> Iterator[Mapping[int, Answer]]:
        for start in range(0, len(requests), self.together):
            batch = requests[start : start + self.together]
            self.asked += batch
            self.heard += [list(request.messages) for request in batch]
            yield {start + place: self.say(str(request.messages[-1]["content"])) for place, request in enumerate(batch)}
