"""Result lines: one line of JSONL per row, in the output format of the OpenAI batch API with an extra object.

`response` is set if the model answered, `error` if it did not. A withheld answer is a response without content, with
the finish reason `content_filter`. The object `nightloom` holds the outcome of the row, with separate fields for
flagged, blocked and delivered.
"""

from collections.abc import Iterable
from typing import Literal, Self

from pydantic import Field, ValidationError

from nightloom.artifacts.answers import FinishReason, Found
from nightloom.artifacts.models import ModelRef
from nightloom.artifacts.predictions import PredictionStatus
from nightloom.core.errors import ManifestError
from nightloom.core.manifests import Plain


class Message(Plain):
    """Message of the model."""

    role: Literal["assistant"] = "assistant"
    content: str


class Choice(Plain):
    """The only choice: one is requested."""

    index: Literal[0] = 0
    message: Message
    logprobs: None = None
    finish_reason: FinishReason = Field(description="length: stopped by max_new_tokens.")


class Usage(Plain):
    """Token counts."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatCompletion(Plain):
    """OpenAI's chat.completion object."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: Literal[0] = Field(default=0, description="Always 0: equal inputs give equal bytes.")
    model: str = Field(description="Adapter id, or base model id if there is no adapter.")
    choices: tuple[Choice, ...]
    usage: Usage


class Response(Plain):
    """Response of the model."""

    status_code: Literal[200] = 200
    request_id: str
    body: ChatCompletion


class LineError(Plain):
    """Why the model did not answer, without text of the row."""

    code: str
    message: str


class Outcome(Plain):
    """Outcome of a row, beyond the fields of OpenAI's format."""

    status: PredictionStatus
    flags: tuple[str, ...] = Field(
        description="Names of scanners that found something in the input, or as `answer.<name>` in the answer; sorted."
    )
    found: tuple[Found, ...] = Field(default=(), description="What was redacted in the answer, or why it is withheld.")
    blocked: bool = Field(description="Whether the input was withheld from the model, or the answer from its readers.")
    delivered: bool = Field(description="Whether the answer is passed on.")
    answer: dict[str, str] | None = Field(description="Fields of a delivered answer, or None.")
    night: str
    model: ModelRef
    prompt: str


class ResultLine(Plain):
    """The terminal result of one row."""

    id: str = Field(description="Derived from plan and row: the same if predicted again.")
    custom_id: str = Field(description="Id of the row.")
    response: Response | None
    error: LineError | None
    nightloom: Outcome

    @classmethod
    def from_json(cls, line: bytes) -> Self:
        """Read a line.

        Raises:
            ManifestError: The line is not a result line.
        """
        try:
            return cls.model_validate_json(line)
        except ValidationError as error:
            first = error.errors(include_input=False)[0]
            msg = f"a line of the predictions is not a result line: {first['msg']} at {first['loc']}"
            raise ManifestError(msg) from error


def dump_lines(lines: Iterable[ResultLine]) -> bytes:
    r"""Return JSONL, with \n after each line."""
    return b"".join(line.model_dump_json().encode() + b"\n" for line in lines)


def load_lines(data: bytes) -> list[ResultLine]:
    r"""Read JSONL. Only \n ends a line: texts may contain U+2028, at which `splitlines` would split."""
    return [ResultLine.from_json(line) for line in data.split(b"\n") if line]
