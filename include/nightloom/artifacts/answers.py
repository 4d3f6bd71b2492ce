"""Answers: one call of a model, its key, and the blocks in which answers are stored.

Names and shapes follow OpenAI's chat completions. A new field needs a default that keeps the old meaning: fields at
their default are not part of a call's key, so cached answers stay valid.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, JsonValue

from nightloom.artifacts.models import ModelRef, TemplateKwargs
from nightloom.core.digests import digest_json
from nightloom.core.manifests import CachedResult, Plain
from nightloom.core.names import BLOB, BlobId, Names

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


class Parameters(Plain):
    """Generation parameters of a call."""

    max_completion_tokens: int = Field(ge=1, description="Limit of tokens for an answer, reasoning included.")
    temperature: float = Field(
        default=0.0, ge=0, le=2, description="0 means greedy decoding: always the likeliest token."
    )
    top_p: float = Field(
        default=1.0, gt=0, le=1, description="Nucleus sampling: the likeliest tokens with this total probability."
    )
    seed: int | None = Field(default=None, description="Seed of sampling, or None to derive it from the call's key.")
    sample: int = Field(default=0, ge=0, description="Number of the answer to a repeated request: of n, 0 to n - 1.")
    stop: tuple[str, ...] = Field(default=(), description="Texts that end an answer, without being part of it.")
    tools: tuple[dict[str, JsonValue], ...] = Field(default=(), description="Functions that the model may call.")
    top_logprobs: int | None = Field(
        default=None,
        ge=0,
        le=20,
        description="Number of likeliest tokens per position, or None for no log-probabilities.",
    )
    embedding: bool = Field(default=False, description="Whether to return an embedding of the messages too.")


class Request(Plain):
    """One call of a model."""

    messages: tuple[Mapping[str, JsonValue], ...] = Field(
        min_length=1, description="Messages after prompt rendering and input scanners, before the chat template."
    )
    parameters: Parameters
    json_schema: dict[str, JsonValue] | None = Field(
        default=None, description="JSON schema for the answer's text, or None for free text."
    )
    chat_template_kwargs: TemplateKwargs = Field(default_factory=dict)


class ToolCall(Plain):
    """A function call that the model asks for."""

    id: str
    name: str
    arguments: str = Field(description="Arguments as the model wrote them, which should be JSON.")


class Logprob(Plain):
    """The log-probability of a token."""

    token: str = Field(description="The token's text, decoded alone.")
    logprob: float


class TokenLogprob(Logprob):
    """The log-probability of a token of the answer, with alternatives."""

    top_logprobs: tuple[Logprob, ...] = Field(
        default=(), description="Likeliest tokens at this position, likeliest first."
    )


class Found(Plain):
    """How often a scanner found one kind of match."""

    scanner: str
    kind: str = Field(description="Kind of the matches, such as `EMAIL_ADDRESS`; it never quotes the text.")
    number: int = Field(ge=1)


class Scanned(Plain):
    """What a scan changed in an answer before it was stored."""

    by: str = Field(description="Digest of everything that determines the scan's changes.")
    found: tuple[Found, ...]
    withheld: bool = Field(description="Whether the text is left out. If not, the matches in it are redacted.")


class Answer(Plain):
    """The response to one call, unchanged unless `scanned` says otherwise."""

    text: str = Field(description="Text without special tokens.")
    finish_reason: FinishReason = Field(
        description="`length` means cut off by the limit; without any token, the prompt filled the context."
    )
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0, description="Tokens of the answer, end token included.")
    seconds: float = Field(ge=0, description="This answer's share of the engine's time.")
    reasoning: str | None = Field(default=None, description="Reasoning before the answer, or None.")
    tool_calls: tuple[ToolCall, ...] = ()
    logprobs: tuple[TokenLogprob, ...] | None = Field(
        default=None, description="Log-probabilities, or None if not requested."
    )
    embedding: tuple[float, ...] | None = Field(default=None, description="Embedding, or None if not requested.")
    scanned: Scanned | None = Field(
        default=None, description="What a scan changed, or None if the answer is as the model wrote it."
    )


class EngineKey(Plain):
    """All inputs that determine an answer besides the request."""

    model: ModelRef
    code: str = Field(description="Digest of our code that renders and generates.")
    packages: dict[str, str] = Field(description="Versions of libraries that render and generate.")

    @property
    def digest(self) -> str:
        """The engine's part of a call's key."""
        return digest_json(self.model_dump(mode="json", exclude_defaults=True))


def digest_call(engine: str, request: Request) -> str:
    """Return the key of a call, a digest of the engine and the request.

    Messages and arguments are enough, without the rendered text: the chat template is part of the model, the rendering
    code part of the engine.

    Args:
        engine: Digest of the engine's key.
        request: The request.
    """
    return digest_json({"engine": engine, **request.model_dump(mode="json", exclude_defaults=True)})


def add_up(found: Iterable[Found]) -> tuple[Found, ...]:
    """Return one number for each scanner and kind, sorted."""
    numbers: Counter[tuple[str, str]] = Counter()
    for one in found:
        numbers[one.scanner, one.kind] += one.number
    return tuple(
        Found(scanner=scanner, kind=kind, number=number) for (scanner, kind), number in sorted(numbers.items())
    )


def fix_seed(request: Request, call: str) -> Request:
    """Return the request with a seed, if it samples without one: the same call always gives the same answer.

    Args:
        request: The request.
        call: Key of the call, from which the seed is derived.
    """
    parameters = request.parameters
    if parameters.temperature == 0 or parameters.seed is not None:
        return request
    return request.model_copy(update={"parameters": parameters.model_copy(update={"seed": int(call[:8], 16)})})


class Answers(CachedResult):
    """A block of answers of one engine to rows of one frame. Blocks are numbered in the order of their commits."""

    class Key(Plain):
        """The block. The first process to commit a number gets it."""

        engine: EngineKey
        source: BlobId = Field(description="Frame of the rows or items of the requests.")
        number: int = Field(description="Consecutive number, from 0.")

    class Result(Plain):
        """The answers."""

        frame: Annotated[str, Names(BLOB, "answers")] = Field(description="Blob of an ANSWERS frame.")
        rows: int

    kind: ClassVar[str] = "answers"
    key: Key
    result: Result
