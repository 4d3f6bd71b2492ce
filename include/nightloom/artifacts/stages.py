"""Stage manifests: the result of a stage of a night, and the manifests it made or used."""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field

from nightloom.core.manifests import Artifact, Plain


class StageResult(Artifact):
    """The result of a stage of a recipe's night. The index of members is rebuilt from these and from imports.

    Its ids are plain text: garbage collection does not follow them, and they are no edges.
    """

    class Content(Plain):
        """The stage and its result."""

        recipe: str
        night: str
        stage: Literal["prepare", "finetune", "predict", "report"]
        status: Literal["done", "nothing_new", "refused", "failed"]
        message: str = Field(description="Explanation for people, in one sentence.")
        manifest: str | None = Field(description="Id of the manifest that the stage made, of any kind, or None.")
        members: dict[str, tuple[str, ...]] = Field(
            description="Ids of all manifests that the night had made or used by then, by kind, oldest first."
        )

    class Provenance(Plain):
        """When the stage ran."""

        began_at: datetime
        ended_at: datetime

    kind: ClassVar[str] = "stage"
    content: Content
    provenance: Provenance
