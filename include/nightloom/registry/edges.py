"""Edges: from each manifest to those made from it, by the types of their fields."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from nightloom.core.manifests import Artifact, CachedResult, Manifest, Plain
from nightloom.core.names import BLOB, list_names

Part = Literal["content", "provenance", "key", "result", "facts"]
"""The part of a manifest that names another; `facts` is the data of a report."""


@dataclass(frozen=True, slots=True)
class Edge:
    """An edge from a manifest to one made from it.

    Attributes:
        parent_kind: Kind of the earlier manifest.
        parent: Id of the earlier manifest.
        child_kind: Kind of the manifest made from it.
        child: Id of the manifest made from it.
        part: Part of the manifest that names the other: of the child, except for `result`.
        path: Path of the field in this part, such as `model.adapter`.
    """

    parent_kind: str
    parent: str
    child_kind: str
    child: str
    part: Part
    path: str


def list_edges(manifest: Manifest) -> list[Edge]:
    """Return the edges in a manifest, each once."""
    this = (manifest.kind, manifest.id)
    found = {
        # Manifests named in a result were made from the key; all others existed before.
        Edge(*this, named.kind, named.digest, part, named.path)
        if part == "result"
        else Edge(named.kind, named.digest, *this, part, named.path)
        for part, value in _list_parts(manifest)
        for named in list_names(value)
        if named.kind != BLOB
    }
    return sorted(found, key=lambda edge: (edge.part, edge.path, edge.parent, edge.child))


def _list_parts(manifest: Manifest) -> Iterator[tuple[Part, Plain]]:
    if isinstance(manifest, CachedResult):
        yield "key", manifest.key
        yield "result", manifest.result
    elif isinstance(manifest, Artifact):
        yield "content", manifest.content
        yield "provenance", manifest.provenance
