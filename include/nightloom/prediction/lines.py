"""Result lines: one line of JSONL a row, in the form that the OpenAI batch API answers with, and what we add to it.

`response` is there when the model answered, `error` when it did not. What the row came to stands under `nightloom`,
where what was flagged, what was blocked and what was delivered are three things.
"""

from collections.abc import Iterable
from typing import Literal, Self

from pydantic import Field, ValidationError

from nightloom.artifacts.answers import FinishReason
from nightloom.artifacts.models import ModelRef
from nightloom.artifacts.results import PredictionStatus
from nightloom.core.errors import ManifestError
from nightloom.core.manifests import Plain


class Message(Plain):
    """What the model said."""

    role: Literal["assistant"] = "assistant"
    content: str


class Choice(Plain):
    """The one choice that is asked for."""

    index: Literal[0] = 0
    message: Message
    logprobs: None = None
    finish_reason: FinishReason = Field(description="length: max_new_tokens ended it.")


class Usage(Plain):
    """Tokens."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatCompletion(Plain):
    """OpenAI's chat.completion object."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: Literal[0] = Field(default=0, description="Always 0: equal inputs give equal bytes.")
    model: str = Field(description="Adapter; the base model where there is none.")
    choices: tuple[Choice, ...]
    usage: Usage


class Response(Plain):
    """An answer of the model."""

    status_code: Literal[200] = 200
    request_id: str
    body: ChatCompletion


class LineError(Plain):
    """Why the model did not answer. Never text of the row."""

    code: str
    message: str


class Outcome(Plain):
    """What a row came to, beyond what OpenAI's form has a place for."""

    status: PredictionStatus
    flags: tuple[str, ...] = Field(description="What was found or mended in the input, by name, sorted.")
    blocked: bool = Field(description="The input was kept from the model.")
    delivered: bool = Field(description="The answer is handed on.")
    answer: dict[str, str] | None = Field(description="Fields of a delivered answer.")
    night: str
    model: ModelRef
    prompt: str


class ResultLine(Plain):
    """The terminal result of one row."""

    id: str = Field(description="From plan and row: predicting again gives the same.")
    custom_id: str = Field(description="The row's id.")
    response: Response | None
    error: LineError | None
    nightloom: Outcome

    @classmethod
    def from_json(cls, line: bytes) -> Self:
        """Read a line.

        Raises:
            ManifestError: It is no result line.
        """
        try:
            return cls.model_validate_json(line)
        except ValidationError as error:
            first = error.errors(include_input=False)[0]
            msg = f"a line of the predictions is not a result line: {first['msg']} at {first['loc']}"
            raise ManifestError(msg) from error


def dump_lines(lines: Iterable[ResultLine]) -> bytes:
    r"""Return JSONL, each line ended by \n."""
    return b"".join(line.model_dump_json().encode() + b"\n" for line in lines)


def load_lines(data: bytes) -> list[ResultLine]:
    r"""Read JSONL. Only \n ends a line: texts may hold U+2028 and the like, which `splitlines` would cut at."""
    return [ResultLine.from_json(line) for line in data.split(b"\n") if line]
