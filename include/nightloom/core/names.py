"""Names: typed digest references, which say what manifest kind or blob a field points to.

Garbage collection and erasure follow these only: a digest in a field without such a type is plain text.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic_core import CoreSchema

BLOB = "blob"


@dataclass(frozen=True, slots=True)
class Names:
    """An annotation of a field: its digest names a manifest of this kind, or a blob.

    Attributes:
        kind: Kind of the manifest, or `blob`.
        content: Content of the blob, if it matters: a kind of frame, `lines` or `facts`.
    """

    kind: str
    content: str | None = None

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "format": f"digest of {self.kind}" + (f" of {self.content}" if self.content else "")}


@dataclass(frozen=True, slots=True)
class Named:
    """A reference from a manifest.

    Attributes:
        kind: Kind of the manifest, or `blob`.
        digest: Id of the manifest, or digest of the blob.
        content: Content of the blob, if it matters.
        path: Path of the field, such as `model.adapter`.
    """

    kind: str
    digest: str
    content: str | None = None
    path: str = field(default="", compare=False)


BlobId = Annotated[str, Names(BLOB)]


def list_names(value: BaseModel) -> list[Named]:
    """Return all references of a manifest, or of a part of one."""
    return list(_walk_model(value, ""))


def _walk_model(value: BaseModel, path: str) -> Iterator[Named]:
    for name, info in type(value).model_fields.items():
        yield from _walk(getattr(value, name), info.annotation, tuple(info.metadata), f"{path}.{name}".lstrip("."))


def _walk(value: Any, annotation: Any, metadata: tuple[Any, ...], path: str) -> Iterator[Named]:
    if value is None:
        return
    annotation = _supertype(annotation)
    if get_origin(annotation) is Annotated:
        annotation, *inner = get_args(annotation)
        metadata = (*metadata, *inner)
    if isinstance(value, str):
        names = [one for one in metadata if isinstance(one, Names)] or list(_find_names(annotation))
        yield from (Named(one.kind, value, one.content, path) for one in names)
    elif isinstance(value, BaseModel):
        yield from _walk_model(value, path)
    elif isinstance(value, (tuple, list)):
        inside = next((one for one in _choices(annotation) if get_origin(one) in (tuple, list)), None)
        for item in value:
            yield from _walk(item, get_args(inside)[0] if inside else Any, (), path)
    elif isinstance(value, dict):
        inside = next((one for one in _choices(annotation) if get_origin(one) is dict), None)
        for item in value.values():
            yield from _walk(item, get_args(inside)[1] if inside else Any, (), path)


def _find_names(annotation: Any) -> Iterator[Names]:
    """Return the references in a union type, such as `SnapshotId | None`."""
    for choice in _choices(annotation):
        if get_origin(choice) is Annotated:
            yield from (one for one in get_args(choice) if isinstance(one, Names))


def _choices(annotation: Any) -> tuple[Any, ...]:
    origin = get_origin(annotation)
    is_union = origin is not None and getattr(origin, "__name__", "") in ("Union", "UnionType")
    return tuple(_supertype(one) for one in get_args(annotation)) if is_union else (annotation,)


def _supertype(annotation: Any) -> Any:
    """Return the base of a `NewType`, or any other annotation unchanged."""
    return getattr(annotation, "__supertype__", annotation)
