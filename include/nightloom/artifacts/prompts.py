"""Prompt manifests: what a model is shown before it answers, frozen."""

from typing import ClassVar, Literal

from pydantic import Field

from nightloom.artifacts.ids import PromptId
from nightloom.core.manifests import Artifact, Plain


class PromptMessage(Plain):
    """One message of the prompt; `{{ text }}` in it stands for what the model reads."""

    role: Literal["system", "user"]
    content: str


class PromptContent(Plain):
    """What the model is shown before it answers."""

    messages: tuple[PromptMessage, ...] = Field(min_length=1)


class PromptProvenance(Plain):
    """Where it was written."""

    name: str


class Prompt(Artifact[PromptId]):
    """A prompt version."""

    kind: ClassVar[str] = "prompt"
    content: PromptContent
    provenance: PromptProvenance
