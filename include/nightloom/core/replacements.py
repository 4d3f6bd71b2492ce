"""Replacements: which blob stands in for one from which rows were erased, and what is still known of those rows."""

from typing import ClassVar

from pydantic import Field

from nightloom.core.manifests import CachedResult, Plain
from nightloom.core.names import BlobId


class ErasedRow(Plain):
    """What is left of an erased row where its frame is part of a Merkle root."""

    row_id: str
    leaf: str = Field(description="SHA-256 of the row's canonical JSON: the root can still be computed.")
    split: str | None = Field(description="Split that it was in; none: it was an evaluation item.")


class Replacement(CachedResult):
    """The blob that stands in for one that is gone. One that was itself replaced has a replacement in turn."""

    class Key(Plain):
        """The blob that is gone."""

        blob: str = Field(description="Manifests that name it are as they were.")

    class Result(Plain):
        """What stands in for it."""

        blob: BlobId
        erased: tuple[ErasedRow, ...] = Field(description="Empty where the frame is part of no root.")

    kind: ClassVar[str] = "replacement"
    is_kept_with_its_inputs: ClassVar[bool] = False
    key: Key
    result: Result
