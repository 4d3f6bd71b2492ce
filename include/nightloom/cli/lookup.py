"""Lookup: from what people type (digits of an id, a recipe, a night or nothing) to ids and manifests."""

import re
from contextlib import suppress
from datetime import date, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeVar

from nightloom.core.digests import LISTED_BY, short
from nightloom.core.errors import InputError
from nightloom.core.nights import parse_night, utc_now

if TYPE_CHECKING:
    from nightloom.artifacts.ids import AdapterId
    from nightloom.core.manifests import Manifest
    from nightloom.core.stages import Stage
    from nightloom.core.store import ObjectStore
    from nightloom.registry.database import Database

Id = TypeVar("Id", bound=str)
M = TypeVar("M", bound="Manifest")

_MOST_NAMED = 5
_FEWEST_DIGITS = 4
_MOST_COMPARED = 1000


def require_recipe(name: str | None) -> str | None:
    """Return the name of a recipe; one whose file was removed is still known by its nights.

    Raises:
        InputError: Neither a file nor the registry has a recipe of this name.
    """
    from nightloom.core.errors import RegistryError
    from nightloom.core.settings import get_settings
    from nightloom.recipes.check import explain_unknown
    from nightloom.registry.database import open_database
    from nightloom.registry.nights import list_recipes

    known = {path.stem for path in get_settings().recipes_dir.glob("*.yaml")}
    if name is None or name in known:
        return name
    with suppress(RegistryError):  # one without tables knows no recipe
        known |= set(list_recipes(open_database()))
    if name not in known:
        raise InputError(explain_unknown(name, sorted(known)))
    return name


def find_id(database: "Database", kind: "type[Manifest[Id]]", given: str) -> Id:
    """Return the id of this kind that begins with the given digits.

    Raises:
        InputError: No id begins with them, or several do.
    """
    from nightloom.registry.questions import complete_id

    if re.fullmatch("[0-9a-f]{64}", given):
        return kind.as_id(given)
    found = complete_id(database, kind.kind, given, limit=_MOST_NAMED + 1) if re.fullmatch("[0-9a-f]+", given) else []
    if len(found) != 1:
        raise InputError(_explain_lookup(database, kind.kind, given, found))
    return kind.as_id(found[0])


def _explain_lookup(database: "Database", kind: str, given: str, found: list[str]) -> str:
    if found:
        some = ", ".join(short(one) for one in found[:_MOST_NAMED])
        count = str(len(found)) if len(found) <= _MOST_NAMED else f"more than {_MOST_NAMED}"
        return f"{count} {kind}s begin with {given!r}: {some}; write more digits"
    from nightloom.registry.members import list_members

    newest = {one.manifest for one in list_members(database, kind, limit=_MOST_COMPARED)}
    beginnings = {one[: max(len(given), _FEWEST_DIGITS)]: one for one in newest}
    close = get_close_matches(given, beginnings, n=1)
    hint = f"did you mean {short(beginnings[close[0]])}?" if close else f"`nightloom {LISTED_BY[kind]} list` lists them"
    return f"no {kind} begins with {given!r}; {hint}"


def find_owner(database: "Database", adapter_id: "AdapterId", recipe: str | None) -> str:
    """Return the recipe that an adapter is looked up for: the given one, or the only one that has it.

    Raises:
        InputError: The given recipe does not have the adapter; or none is given, and not exactly one has it.
    """
    from nightloom.registry.members import list_owners

    owners = list_owners(database, adapter_id)
    if recipe in owners:
        return recipe
    of = ", ".join(owners) or "no recipe"
    if recipe:
        hint = f"`nightloom model list {recipe}` lists its own"
        msg = f"adapter {short(adapter_id)} belongs to {of}, not to {recipe}; {hint}"
        raise InputError(msg)
    if len(owners) != 1:
        msg = f"adapter {short(adapter_id)} belongs to {of}; choose one with --recipe"
        raise InputError(msg)
    return owners[0]


def find_night(database: "Database", recipe: str, given: str | None) -> date:
    """Return the given night, or the recipe's latest one.

    Raises:
        InputError: The night is not a date or was never opened, or the recipe has no night.
    """
    from nightloom.registry.nights import find_latest_night, require_night

    if given is not None:
        night = parse_night(given)
        require_night(database, recipe, night)
        return night
    latest = find_latest_night(database, recipe)
    if latest is None:
        hint = f"`nightloom run {recipe}` runs one, `nightloom recipe list` lists the recipes"
        msg = f"recipe {recipe!r} has no night yet; {hint}"
        raise InputError(msg)
    return latest


def load_latest(recipe: str, night: str | None, stage: "Stage", kind: type[M]) -> tuple[date, M]:
    """Return a night and the manifest of its stage: the given night, or the latest one that has such a manifest.

    Raises:
        InputError: The night, or every night, has none.
    """
    from nightloom.registry.database import open_database
    from nightloom.registry.nights import find_night_with
    from nightloom.registry.store import open_store

    store, database = open_store(), open_database()
    latest = find_night_with(database, recipe, stage) if night is None else None
    found = latest or find_night(database, recipe, night)
    return found, load_result(store, database, recipe, found, stage, kind)


def find_night_of_move(database: "Database", recipe: str) -> date:
    """Return the night that dates a move by hand: the latest prepared one, or a past date before the first."""
    from nightloom.registry.nights import find_committed_night

    # Two days, since a night may have another date in the recipe's time zone.
    return find_committed_night(database, recipe) or utc_now().date() - timedelta(days=2)


def load_result(
    store: "ObjectStore", database: "Database", recipe: str, night: date, stage: "Stage", kind: type[M]
) -> M:
    """Return the manifest that a stage of a night produced.

    Raises:
        InputError: The stage produced none.
    """
    from nightloom.registry.nights import read_outcome

    outcome = read_outcome(database, recipe, night, stage)
    if outcome is None or outcome.manifest is None:
        why = outcome.message if outcome else "the stage was not run"
        msg = f"night {night} of {recipe} has no {kind.kind}: {why}; `nightloom night list {recipe}` lists its nights"
        raise InputError(msg)
    return store.load(kind, outcome.manifest)
