"""Edges: from each manifest to those that were made from it, as the types of their fields tell."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from nightloom.core.manifests import Artifact, CachedResult, Manifest, Plain
from nightloom.core.names import BLOB, list_names

Part = Literal["content", "provenance", "key", "result", "facts"]
"""Where in a manifest another is named; `facts` are those of a report."""


@dataclass(frozen=True, slots=True)
class Edge:
    """From a manifest to one that was made from it.

    Attributes:
        parent_kind: Kind of the one that was there first.
        parent: Its id.
        child_kind: Kind of the one that was made from it.
        child: Its id.
        part: Of the manifest that names the other: the child, but for `result`.
        path: Fields in this part that lead to the name, such as `model.adapter`.
    """

    parent_kind: str
    parent: str
    child_kind: str
    child: str
    part: Part
    path: str


def list_edges(manifest: Manifest) -> list[Edge]:
    """Return the edges that a manifest tells of, each once."""
    this = (manifest.kind, manifest.id)
    found = {
        # What a cached result came to was made from it; all else that a manifest names was there before.
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
