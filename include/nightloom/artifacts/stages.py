"""Stage manifests: what a stage of a night came to, and which manifests it made or used."""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field

from nightloom.core.manifests import Artifact, Plain


class StageResult(Artifact):
    """The end of a stage of a recipe's night: from these, and from imports, the index of members is rebuilt.

    Its ids are mere text: it keeps nothing alive that it lists, and nothing descends from it.
    """

    class Content(Plain):
        """What ended, and how."""

        recipe: str
        night: str
        stage: Literal["prepare", "finetune", "predict", "report"]
        status: Literal["done", "nothing_new", "refused", "failed"]
        message: str = Field(description="One sentence for people.")
        manifest: str | None = Field(description="Id of the manifest that it came to, of whatever kind.")
        members: dict[str, tuple[str, ...]] = Field(
            description="Ids that the recipe's night has made or used until then, by kind, oldest first."
        )

    class Provenance(Plain):
        """When it was."""

        began_at: datetime
        ended_at: datetime

    kind: ClassVar[str] = "stage"
    content: Content
    provenance: Provenance
