"""Champions: a recipe's champion and its task, which the verdict or import behind its promotion defines."""

from dataclasses import dataclass
from datetime import date

from nightloom.artifacts.blueprints import Blueprint
from nightloom.artifacts.ids import AdapterId, ImportId, VerdictId
from nightloom.artifacts.models import Adapter, Import, TaskSpec
from nightloom.artifacts.results import Verdict
from nightloom.core.digests import short
from nightloom.core.errors import RegistryError
from nightloom.core.manifests import manifest_key
from nightloom.core.store import ObjectStore
from nightloom.registry.database import Database
from nightloom.registry.questions import list_children
from nightloom.registry.refs import read_last_move

CHAMPION = "champion"

Citation = Verdict | Import
"""Verdict or import that an adapter is promoted on; it defines the task of the champion."""

CitationId = VerdictId | ImportId


@dataclass(frozen=True, slots=True)
class Champion:
    """A recipe's champion.

    Attributes:
        adapter: Id of the adapter.
        task: Task that it is asked.
        cites: Verdict or import that defines the task.
    """

    adapter: AdapterId
    task: TaskSpec
    cites: CitationId


def find_champion(store: ObjectStore, database: Database, recipe: str, night: date | None = None) -> Champion | None:
    """Return a recipe's champion and its task, or None if there is no champion.

    Args:
        store: Holds verdicts and imports.
        database: Registry with the moves of refs.
        recipe: Name of the recipe.
        night: Return the champion before this night, or the present one if None.

    Raises:
        ManifestError: The cited verdict or import is not in the store.
        RegistryError: The move cites neither.
    """
    move = read_last_move(database, recipe, CHAMPION, before=night)
    if move is None:
        return None
    if move.cites is None:
        msg = f"champion {short(move.new)} of {recipe} cites no verdict or import, so it has no task; promote it again"
        raise RegistryError(msg)
    citation = load_citation(store, move.cites)
    return Champion(Adapter.as_id(move.new), find_task(store, citation), citation.id)


def read_task(store: ObjectStore, citation_id: CitationId) -> TaskSpec:
    """Return the task of an adapter from a verdict or import by its id.

    Raises:
        ManifestError: The verdict or import is not in the store, or the verdict's blueprint is not.
    """
    return find_task(store, load_citation(store, citation_id))


def load_citation(store: ObjectStore, cited: str) -> Citation:
    """Return the verdict or import with this id.

    Raises:
        ManifestError: It is not in the store.
    """
    # Decided by the key, not by loading: a damaged import must not be reported as a missing verdict.
    if store.bucket.has(manifest_key(Import.kind, cited)):
        return store.load(Import, cited)
    return store.load(Verdict, cited)


def find_task(store: ObjectStore, citation: Citation) -> TaskSpec:
    """Return the task of an adapter from a verdict or import."""
    if isinstance(citation, Import):
        return citation.content.task
    return store.load(Blueprint, citation.content.blueprint).content.task


def find_citation(store: ObjectStore, database: Database, recipe: str, adapter_id: AdapterId) -> Citation | None:
    """Return the last verdict of a recipe on an adapter, else the last import, or None if there is neither."""
    verdicts, imports = (
        list_verdicts(store, database, recipe, adapter_id),
        list_imports(store, database, recipe, adapter_id),
    )
    return next((found[-1] for found in (verdicts, imports) if found), None)


def list_verdicts(store: ObjectStore, database: Database, recipe: str, adapter_id: AdapterId) -> list[Verdict]:
    """Return a recipe's verdicts on an adapter, oldest first."""
    found = [store.load_if_there(Verdict, one) for one in list_children(database, adapter_id, "verdict", "candidate")]
    return [one for one in found if one and one.content.recipe == recipe]


def list_imports(store: ObjectStore, database: Database, recipe: str, adapter_id: AdapterId) -> list[Import]:
    """Return a recipe's imports of an adapter, oldest first."""
    found = [store.load_if_there(Import, one) for one in list_children(database, adapter_id, "import", "adapter")]
    return [one for one in found if one and one.content.recipe == recipe]
