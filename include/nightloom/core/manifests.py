"""Manifests: small JSON documents that name, by digest, everything a result consists of.

There are two contracts. An `Artifact` is named by its content and also records its provenance. A `CachedResult` is
named by its key and records the result. The id is the digest of kind, schema version and content or key alone. The
first document published under an id is kept.
"""

import json
from typing import ClassVar, Generic, Self, cast

from pydantic import BaseModel, ConfigDict, ValidationError
from typing_extensions import TypeVar

from nightloom.core.digests import canonical_json, digest_json, parse_json
from nightloom.core.errors import ManifestError

Id_co = TypeVar("Id_co", bound=str, covariant=True, default=str)
"""The type of a kind's ids; plain text for kinds that no signature mentions."""


class Plain(BaseModel):
    """A frozen value that crosses processes; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Manifest(Plain, Generic[Id_co]):
    """A small document stored under its id: an `Artifact` or a `CachedResult`. Their subclasses set `kind`."""

    kind: ClassVar[str]
    schema_version: ClassVar[int] = 1
    named_by: ClassVar[str]
    stays_in_memory: ClassVar[bool] = False  # many steps of a process ask for it, and it is small

    @property
    def id(self) -> Id_co:
        """The digest of kind, schema version, and content or key."""
        return self.id_of(getattr(self, self.named_by))

    @classmethod
    def id_of(cls, part: Plain) -> Id_co:
        """Return the id of the manifest with this content or key."""
        return cls.as_id(
            digest_json(
                {"kind": cls.kind, "schema_version": cls.schema_version, cls.named_by: part.model_dump(mode="json")}
            )
        )

    @classmethod
    def as_id(cls, text: str) -> Id_co:
        """Return text from outside, such as a ref or a row of the index, as an id of this kind."""
        return cast("Id_co", text)

    def to_bytes(self) -> bytes:
        """Return the canonical JSON to store."""
        return canonical_json(
            {"kind": self.kind, "schema_version": self.schema_version, **self.model_dump(mode="json")}
        )

    @classmethod
    def from_bytes(cls, data: bytes, expected_id: str) -> Self:
        """Read a stored manifest.

        Raises:
            ManifestError: The bytes are not a manifest of this kind and version, or have another id.
        """
        where = f"{cls.kind} manifest {expected_id}"
        try:
            document = parse_json(data)
            kind, version = document.pop("kind"), document.pop("schema_version")
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            msg = f"{where} is not readable ({error}); restore it from a backup of the store"
            raise ManifestError(msg) from error
        if (kind, version) != (cls.kind, cls.schema_version):
            msg = (
                f"{where} is a {kind!r} of schema version {version}; this Nightloom reads version {cls.schema_version}"
            )
            raise ManifestError(msg)
        try:
            manifest = cls.model_validate_json(json.dumps(document))
        except ValidationError as error:
            msg = f"{where} does not match its schema: {error.errors()[0]['msg']} at {error.errors()[0]['loc']}"
            raise ManifestError(msg) from error
        if manifest.id != expected_id:
            msg = (
                f"{where} contains {manifest.id}; the store was changed by hand or is damaged: restore it from a backup"
            )
            raise ManifestError(msg)
        return manifest


class Artifact(Manifest[Id_co]):
    """A manifest named by its content: two people who make the same thing get the same id.

    The provenance records how and when it was made first. It never has a model's task, its deployment or its recipe:
    several recipes may make the same artifact.
    """

    named_by: ClassVar[str] = "content"

    content: Plain
    provenance: Plain


class CachedResult(Manifest[Id_co]):
    """A result named by its key, which has all inputs that determine it. The first result is kept.

    Most cached results are not named by other manifests. Garbage collection keeps each as long as all that its key
    names.
    """

    named_by: ClassVar[str] = "key"
    is_kept_with_its_inputs: ClassVar[bool] = True

    key: Plain
    result: Plain


def manifest_key(kind: str, manifest_id: str) -> str:
    """Return the store key of a manifest."""
    return f"manifests/{kind}/{manifest_id}.json"
