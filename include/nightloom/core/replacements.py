"""Replacements: which blob replaces one from which rows were erased, and what is kept of those rows."""

from typing import ClassVar

from pydantic import Field

from nightloom.core.manifests import CachedResult, Plain
from nightloom.core.names import BlobId


class ErasedRow(Plain):
    """What is kept of an erased row if its frame is part of a Merkle root."""

    row_id: str
    leaf: str = Field(description="SHA-256 of the row's canonical JSON, so that the root can still be computed.")
    split: str | None = Field(description="Split of the row, or None for an evaluation item.")


class Replacement(CachedResult):
    """The replacement of an erased blob. A replacement may be replaced in turn."""

    class Key(Plain):
        """The erased blob."""

        blob: str = Field(description="Digest of the erased blob; manifests that name it are unchanged.")

    class Result(Plain):
        """The new blob."""

        blob: BlobId
        erased: tuple[ErasedRow, ...] = Field(description="Erased rows; empty if the frame is part of no Merkle root.")

    kind: ClassVar[str] = "replacement"
    is_kept_with_its_inputs: ClassVar[bool] = False
    key: Key
    result: Result
