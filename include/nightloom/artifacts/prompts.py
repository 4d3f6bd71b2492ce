"""Prompt manifests: frozen prompt templates."""

from typing import ClassVar, Literal

from pydantic import Field

from nightloom.artifacts.ids import PromptId
from nightloom.core.manifests import Artifact, Plain


class PromptMessage(Plain):
    """One message of the prompt; `{{ text }}` is replaced by the input text."""

    role: Literal["system", "user"]
    content: str


class PromptContent(Plain):
    """The messages of the prompt."""

    messages: tuple[PromptMessage, ...] = Field(min_length=1)


class PromptProvenance(Plain):
    """The prompt's name."""

    name: str


class Prompt(Artifact[PromptId]):
    """A prompt version."""

    kind: ClassVar[str] = "prompt"
    content: PromptContent
    provenance: PromptProvenance
