"""Output: what commands print, as text for people or as one JSON document for programs."""

import json
import traceback
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from nightloom.cli.lookup import require_recipe
from nightloom.core.digests import short

if TYPE_CHECKING:
    from nightloom.core.manifests import Manifest

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]


def require_reason(text: str | None) -> str | None:
    """Refuse a reason without words."""
    if text is not None and not text.strip():
        msg = "it is blank; write why"
        raise typer.BadParameter(msg)
    return text


Reason = Annotated[
    str,
    typer.Option("--reason", metavar="TEXT", help="Reason, written into the log.", callback=require_reason),
]
RecipeName = Annotated[str, typer.Argument(metavar="RECIPE", help="Name of a recipe.", callback=require_recipe)]
OfRecipe = Annotated[str | None, typer.Argument(metavar="[RECIPE]", help="Only this recipe.", callback=require_recipe)]
NightOption = Annotated[
    str | None, typer.Option("--night", metavar="DATE", help="A date such as 2026-11-23. Default: the latest night.")
]
Limit = Annotated[int, typer.Option("--limit", min=1, help="Largest number of entries, newest first.")]

CUT = "… and more: --limit shows them"

T = TypeVar("T")


def show(document: Any, text: str, *, as_json: bool) -> None:
    """Print the document as JSON, or its text."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False, default=str) if as_json else text)


def take(entries: Iterable[T], limit: int) -> tuple[list[T], bool]:
    """Return the first entries, and whether there are more."""
    found = list(islice(entries, limit + 1))
    return found[:limit], len(found) > limit


def show_list(name: str, documents: Sequence[Any], text: str, *, is_cut: bool, as_json: bool) -> None:
    """Print a list that `--limit` may have cut, and say so."""
    document = {name: documents, "cut": is_cut}
    show(document, f"{text}\n{CUT}" if is_cut else text, as_json=as_json)


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str) -> str:
    """Return rows as a table with headings, or the text `empty` if there are none."""
    cells = [[_cell(value) for value in row] for row in rows]
    if not cells:
        return empty
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in ([heading.upper() for heading in headings], *cells)
    )


def format_fields(pairs: Iterable[tuple[str, Any]]) -> str:
    """Return names and values as text, one pair per line."""
    lines = [(name, _cell(value)) for name, value in pairs]
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:{width}}  {value}".rstrip() for name, value in lines)


def manifest_document(manifest: "Manifest") -> dict[str, Any]:
    """Return a manifest with its id as a JSON document."""
    return {"id": manifest.id, "kind": manifest.kind, **manifest.model_dump(mode="json")}


def describe_fault(error: Exception) -> str:
    """Return the message of an unexpected error, after printing its traceback."""
    traceback.print_exception(error)
    return f"unexpected {type(error).__name__} in Nightloom; report it with the traceback above"


def on_one_line(values: Iterable[Any]) -> list[Any]:
    """Return the values of a row without line ends and control characters, which must not reach the terminal."""
    return ["".join(c if c.isprintable() else "�" for c in v) if isinstance(v, str) else v for v in values]


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    text = str(value)
    # People compare digests by their first digits, and every command accepts those.
    return short(text) if len(text) == 64 and set(text) <= set("0123456789abcdef") else text
