"""What every engine is: requests in, one answer each out, as they come."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

from nightloom.artifacts.answers import Answer, Request
from nightloom.core.errors import InputError


class Engine(Protocol):
    """A loaded model."""

    def answer(self, requests: Sequence[Request]) -> Iterator[Mapping[int, Answer]]:
        """Answer every request once; the answers stand under the places of their requests.

        They come in the order that suits the engine, those together that were generated together. Whoever keeps what
        came asks for the rest after a kill, and the rest is generated in the batches in which it would have been.

        Raises:
            InputError: A request asks for what this engine cannot do.
        """
        ...


def read_texts(requests: Sequence[Request], engine: str, parameters: Collection[str]) -> list[list[dict[str, str]]]:
    """Return the messages of requests, of which each has a role and a text and nothing else.

    Args:
        requests: What is asked.
        engine: Its name, for people.
        parameters: What it knows of Parameters.

    Raises:
        InputError: A request asks for more.
    """
    # Most requests share one object.
    for asked in {id(request.parameters): request.parameters for request in requests}.values():
        _refuse(engine, sorted(asked.model_dump(exclude_defaults=True).keys() - set(parameters)))
    if any(request.json_schema is not None for request in requests):
        _refuse(engine, ["json_schema"])
    return [[_read_text(engine, message) for message in request.messages] for request in requests]


def _read_text(engine: str, message: Mapping[str, object]) -> dict[str, str]:
    _refuse(engine, sorted(message.keys() - {"role", "content"}))
    role, content = message.get("role"), message.get("content")
    if not isinstance(role, str) or not isinstance(content, str):
        msg = f"the {engine} engine reads messages with a role and a text as content; this one has another form"
        raise InputError(msg)
    return {"role": role, "content": content}


def _refuse(engine: str, names: Sequence[str]) -> None:
    if names:
        msg = f"the {engine} engine does not support {', '.join(names)}; leave it out, or ask another engine"
        raise InputError(msg)
