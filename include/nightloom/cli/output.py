"""Output: what every command prints, a small table for people or one JSON document for programs."""

import json
import traceback
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightloom.core.digests import short

if TYPE_CHECKING:
    from nightloom.core.manifests import Manifest

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
RecipeName = Annotated[str, typer.Argument(metavar="RECIPE", help="Name of a recipe.")]
NightOption = Annotated[
    str | None, typer.Option("--night", metavar="DATE", help="Such as 2026-11-23; the latest where it is not given.")
]
Limit = Annotated[int, typer.Option("--limit", min=1, help="How many at most, the newest.")]


def show(document: Any, text: str, *, as_json: bool) -> None:
    """Print the document as JSON, or the text that says the same."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False, default=str) if as_json else text)


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str) -> str:
    """Write rows in columns; a sentence where there are none."""
    cells = [[_cell(value) for value in row] for row in rows]
    if not cells:
        return empty
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in ([heading.upper() for heading in headings], *cells)
    )


def facts(pairs: Iterable[tuple[str, Any]]) -> str:
    """Write names and values, one pair a line."""
    lines = [(name, _cell(value)) for name, value in pairs]
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:{width}}  {value}".rstrip() for name, value in lines)


def manifest_document(manifest: "Manifest") -> dict[str, Any]:
    """Return a manifest with its id, as programs read it."""
    return {"id": manifest.id, "kind": manifest.kind, **manifest.model_dump(mode="json")}


def describe_fault(error: Exception) -> str:
    """Return the sentence for an error that nobody raised on purpose; where it came from is printed before it."""
    traceback.print_exception(error)
    return f"Nightloom itself is at fault: {type(error).__name__}; report it with the lines above"


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    text = str(value)
    # A digest is cut to what people compare by eye; every command takes the cut one.
    return short(text) if len(text) == 64 and set(text) <= set("0123456789abcdef") else text
