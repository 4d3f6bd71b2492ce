"""Engines: the protocol of text generation, one answer to each request, in any order."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

from nightloom.artifacts.answers import Answer, Request
from nightloom.core.errors import InputError


class Engine(Protocol):
    """A loaded model."""

    def answer(self, requests: Sequence[Request]) -> Iterator[Mapping[int, Answer]]:
        """Yield an answer to every request, by the request's index.

        The engine chooses the order, and yields each batch of answers together. After a kill, a caller that kept the
        answers asks for the rest, and the rest is generated in the same batches.

        Raises:
            InputError: This engine does not support a request.
        """
        ...


def read_texts(requests: Sequence[Request], engine: str, parameters: Collection[str]) -> list[list[dict[str, str]]]:
    """Return the messages of requests, each with only a role and a text.

    Args:
        requests: The requests.
        engine: The engine's name, for messages.
        parameters: Names of the supported fields of Parameters.

    Raises:
        InputError: A request needs more than that.
    """
    # Most requests share one parameters object.
    for given in {id(request.parameters): request.parameters for request in requests}.values():
        _refuse(engine, sorted(given.model_dump(exclude_defaults=True).keys() - set(parameters)))
    if any(request.json_schema is not None for request in requests):
        _refuse(engine, ["json_schema"])
    return [[_read_text(engine, message) for message in request.messages] for request in requests]


def _read_text(engine: str, message: Mapping[str, object]) -> dict[str, str]:
    _refuse(engine, sorted(message.keys() - {"role", "content"}))
    role, content = message.get("role"), message.get("content")
    if not isinstance(role, str) or not isinstance(content, str):
        msg = f"the {engine} engine supports only messages with a role and a text as content; this one has another form"
        raise InputError(msg)
    return {"role": role, "content": content}


def _refuse(engine: str, names: Sequence[str]) -> None:
    if names:
        msg = f"the {engine} engine does not support {', '.join(names)}; remove it, or use another engine"
        raise InputError(msg)
