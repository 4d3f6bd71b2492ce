"""Answers: one call of a model, what it is named by, and the blocks in which answers are kept.

Words and shapes are those of OpenAI's chat completions. A field may be added, with a default that means what was meant
without it: what is at its default is no part of a call's key, so no call is made anew for it.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, JsonValue

from nightloom.artifacts.models import ModelRef
from nightloom.core.digests import digest_json
from nightloom.core.manifests import CachedResult, Plain
from nightloom.core.names import BLOB, BlobId, Names

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


class Parameters(Plain):
    """How an answer is to be generated."""

    max_completion_tokens: int = Field(ge=1, description="Tokens that an answer may have, reasoning included.")
    temperature: float = Field(default=0.0, ge=0, le=2, description="0: always the likeliest token.")
    top_p: float = Field(default=1.0, gt=0, le=1, description="Of the likeliest tokens, those of this probability.")
    seed: int | None = Field(default=None, description="Of sampling; None: the one that follows from the call's key.")
    sample: int = Field(
        default=0, ge=0, description="Which answer to the same request: of n, 0 to n - 1. A repeat is another sample."
    )
    stop: tuple[str, ...] = Field(default=(), description="Texts that end an answer; they are not part of it.")
    tools: tuple[dict[str, JsonValue], ...] = Field(default=(), description="Functions that the model may call.")
    top_logprobs: int | None = Field(
        default=None, ge=0, le=20, description="Likeliest tokens told at each place; None: no log-probabilities at all."
    )
    embedding: bool = Field(default=False, description="The answer has an embedding of the messages with it.")


class Request(Plain):
    """What a model is asked: one call."""

    messages: tuple[Mapping[str, JsonValue], ...] = Field(
        min_length=1, description="As prompt and input scanners left them; the chat template has not written them yet."
    )
    parameters: Parameters
    json_schema: dict[str, JsonValue] | None = Field(
        default=None, description="JSON schema that the answer's text must meet; None: it is free."
    )


class ToolCall(Plain):
    """A function that the model wants called."""

    id: str
    name: str
    arguments: str = Field(description="As the model wrote them: JSON, if it did it well.")


class Logprob(Plain):
    """How likely a token was."""

    token: str = Field(description="Decoded alone.")
    logprob: float


class TokenLogprob(Logprob):
    """How likely a token of the answer was."""

    top_logprobs: tuple[Logprob, ...] = Field(default=(), description="Likeliest tokens at its place, likeliest first.")


class Answer(Plain):
    """What came back from one call, as it was."""

    text: str = Field(description="Without special tokens.")
    finish_reason: FinishReason = Field(
        description="`length`: cut off by the limit; with no token at all, the prompt left no room in the context."
    )
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0, description="Its end token included.")
    seconds: float = Field(ge=0, description="Its share of the engine's time: those of all answers add up to it.")
    reasoning: str | None = Field(default=None, description="What the model thought before it answered.")
    tool_calls: tuple[ToolCall, ...] = ()
    logprobs: tuple[TokenLogprob, ...] | None = Field(default=None, description="None: they were not asked for.")
    embedding: tuple[float, ...] | None = Field(default=None, description="None: it was not asked for.")


class EngineKey(Plain):
    """All that decides an answer besides the request."""

    model: ModelRef
    code: str = Field(description="Digest of our modules that render and generate.")
    packages: dict[str, str] = Field(description="Versions of the libraries that render and generate.")

    @property
    def digest(self) -> str:
        """What a call's key has of it."""
        return digest_json(self.model_dump(mode="json", exclude_defaults=True))


def digest_call(engine: str, request: Request) -> str:
    """Return the key of a call: equal keys have equal parts, and a part that differs gives another key.

    Messages stand for the text that the chat template makes of them: the template belongs to the model, and the code
    that renders to the engine.

    Args:
        engine: Digest of the engine's key.
        request: What is asked.
    """
    return digest_json({"engine": engine, **request.model_dump(mode="json", exclude_defaults=True)})


def fix_seed(request: Request, call: str) -> Request:
    """Return a request that names its seed, if it samples: the same call always samples the same answer.

    Args:
        request: What is asked.
        call: Its key.
    """
    parameters = request.parameters
    if parameters.temperature == 0 or parameters.seed is not None:
        return request
    return request.model_copy(update={"parameters": parameters.model_copy(update={"seed": int(call[:8], 16)})})


class Answers(CachedResult):
    """A block of answers of one engine to the rows of one frame. Blocks are numbered as they were committed."""

    class Key(Plain):
        """Which block: whoever commits a number first has it."""

        engine: EngineKey
        source: BlobId = Field(description="Frame of the rows or items that were asked about.")
        number: int = Field(description="From 0; none is left out.")

    class Result(Plain):
        """What was answered."""

        frame: Annotated[str, Names(BLOB, "answers")] = Field(description="Blob of an ANSWERS frame.")
        rows: int

    kind: ClassVar[str] = "answers"
    key: Key
    result: Result
