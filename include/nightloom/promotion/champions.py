"""Champions: what a recipe's champion is asked follows from what its move cites, a verdict or an import."""

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

Ground = Verdict | Import
"""What lets an adapter be a recipe's champion, and says what the recipe asks it."""

GroundId = VerdictId | ImportId


@dataclass(frozen=True, slots=True)
class Champion:
    """A recipe's champion.

    Attributes:
        adapter: Its id.
        task: What it is asked.
        cites: The verdict or import that says so.
    """

    adapter: AdapterId
    task: TaskSpec
    cites: GroundId


def asked_of(store: ObjectStore, database: Database, recipe: str, night: date | None = None) -> Champion | None:
    """Return a recipe's champion and what it is asked; None where there is none.

    Args:
        store: Holds what its move cites.
        database: Has the moves.
        recipe: Whose champion.
        night: The champion that the nights before this one left; None: the present one.

    Raises:
        ManifestError: What the move cites is not there.
        RegistryError: It cites nothing.
    """
    move = read_last_move(database, recipe, CHAMPION, before=night)
    if move is None:
        return None
    if move.cites is None:
        msg = f"nothing says what {short(move.new)}, the champion of {recipe}, is asked; promote it again by hand"
        raise RegistryError(msg)
    ground = load_ground(store, move.cites)
    return Champion(Adapter.as_id(move.new), task_of(store, ground), ground.id)


def read_task(store: ObjectStore, ground_id: GroundId) -> TaskSpec:
    """Return what an adapter is asked by the verdict or import of this id.

    Raises:
        ManifestError: It is not there, or a verdict's blueprint is not.
    """
    return task_of(store, load_ground(store, ground_id))


def load_ground(store: ObjectStore, cited: str) -> Ground:
    """Return the verdict or import that a move of the ref cites.

    Raises:
        ManifestError: It is not there.
    """
    # By what is there, not by what can be read: a damaged import is told as one, and not as a verdict that is missing.
    if store.bucket.has(manifest_key(Import.kind, cited)):
        return store.load(Import, cited)
    return store.load(Verdict, cited)


def task_of(store: ObjectStore, ground: Ground) -> TaskSpec:
    """Return what an adapter is asked by a verdict or an import."""
    if isinstance(ground, Import):
        return ground.content.task
    return store.load(Blueprint, ground.content.blueprint).content.task


def find_ground(store: ObjectStore, database: Database, recipe: str, adapter_id: AdapterId) -> Ground | None:
    """Return what a recipe may cite to make an adapter its champion: its last verdict on it, else its last import."""
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
