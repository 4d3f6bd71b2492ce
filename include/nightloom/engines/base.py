"""What every engine is: conversations in, one generation each out, in the same order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from nightloom.rendering.messages import Conversation


@dataclass(frozen=True, slots=True)
class Generation:
    """What a model answered.

    Attributes:
        text: The answer, without special tokens.
        prompt_tokens: Length of what it was shown.
        output_tokens: Length of what it wrote, its end token included.
        finished: It ended by itself; otherwise the limit cut it off, or the prompt did not fit its context.
    """

    text: str
    prompt_tokens: int
    output_tokens: int
    finished: bool


class Engine(Protocol):
    """A loaded model that answers greedily: the same conversation has the same answer."""

    def generate(self, conversations: Sequence[Conversation], max_new_tokens: int) -> list[Generation]:
        """Answer every conversation; the answers stand in the order of the conversations."""
        ...
