"""Manifests: small JSON documents that name, by digest, everything a result consists of.

A manifest has an `identity`, which determines the thing, and a `record`, which tells what was observed when it
was made. Its id is the digest of kind, schema version and identity alone: two people who make the same
thing get the same name, and the first record stands.
"""

import json
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from nightloom.core.digests import canonical_json, digest_json, parse_json
from nightloom.core.errors import ManifestError


class Plain(BaseModel):
    """A frozen value that crosses processes; a field that it does not know is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Manifest(Plain):
    """A thing by content. A subclass sets `kind` and types `identity` and `record`.

    A memo is found again by its identity, and named by nobody: it lives for as long as all that its identity names.
    """

    kind: ClassVar[str]
    schema_version: ClassVar[int] = 1
    is_memo: ClassVar[bool] = False

    identity: Plain
    record: Plain

    @property
    def id(self) -> str:
        """The digest of what the thing is."""
        return self.id_of(self.identity)

    @classmethod
    def id_of(cls, identity: Plain) -> str:
        """Give the id that a manifest with this identity has."""
        return digest_json(
            {
                "kind": cls.kind,
                "schema_version": cls.schema_version,
                "identity": identity.model_dump(mode="json"),
            }
        )

    def to_bytes(self) -> bytes:
        """Give the canonical JSON that is stored."""
        return canonical_json(
            {"kind": self.kind, "schema_version": self.schema_version, **self.model_dump(mode="json")}
        )

    @classmethod
    def from_bytes(cls, data: bytes, expected_id: str) -> Self:
        """Read a stored manifest.

        Raises:
            ManifestError: The bytes are not a manifest of this kind and version, or not the one asked for.
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
            msg = f"{where} does not fit its schema: {error.errors()[0]['msg']} at {error.errors()[0]['loc']}"
            raise ManifestError(msg) from error
        if manifest.id != expected_id:
            msg = f"{where} holds {manifest.id}; the store was changed by hand or is damaged: restore it from a backup"
            raise ManifestError(msg)
        return manifest


def manifest_key(kind: str, manifest_id: str) -> str:
    """Give the key in the store under which a manifest lies."""
    return f"manifests/{kind}/{manifest_id}.json"
