"""Context: the recipe, store and registry that a step of a night works with."""

import json
import logging
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from nightloom.core.digests import digest_bytes, short
from nightloom.core.errors import FaultError, InputError
from nightloom.core.manifests import Manifest
from nightloom.core.nights import NightCut
from nightloom.core.stages import Stage
from nightloom.core.store import ObjectStore
from nightloom.recipes.check import load_recipe
from nightloom.recipes.schema import Recipe
from nightloom.registry.database import Database, open_database
from nightloom.registry.members import add_member
from nightloom.registry.nights import read_night, read_pinned_recipe, require_night
from nightloom.registry.stages import Ending, finish_stage
from nightloom.registry.store import open_store

logger = logging.getLogger(__name__)

M = TypeVar("M", bound=Manifest)


@dataclass(frozen=True, slots=True)
class Night:
    """One night of one recipe.

    Attributes:
        recipe: Recipe as it was when the night began.
        date: Date of the night.
        cut: Cut of the prepare stage.
        store: Object store for the results of the night.
        registry: Holds refs, outcomes and the index of results.
        is_recorded: Whether outcomes of steps are recorded. They are not if a step runs outside its night.
    """

    recipe: Recipe
    date: date
    cut: NightCut
    store: ObjectStore
    registry: Database
    is_recorded: bool = True

    def __str__(self) -> str:
        return self.date.isoformat()

    def publish(self, manifest: M) -> M:
        """Publish a manifest, index it for this night, and return the manifest that the store keeps."""
        kept = self.store.publish(manifest)
        self.keep(kept.kind, kept.id)
        return kept

    def keep(self, kind: str, manifest_id: str) -> None:
        """Index a manifest for this night that a child process or an earlier night published."""
        add_member(self.registry, self.recipe.name, self.date, kind, manifest_id)

    def end(self, stage: Stage, status: Ending, message: str, manifest_id: str | None = None) -> None:
        """Record the outcome of a stage."""
        if self.is_recorded:
            finish_stage(self.store, self.registry, self.recipe.name, self.date, stage, status, message, manifest_id)


def load_night(recipe: str, night: date, *, is_recorded: bool = True) -> Night:
    """Return an opened night, with its pinned recipe.

    Raises:
        InputError: The night was never opened, or its recipe cannot be used.
    """
    registry = open_database()
    require_night(registry, recipe, night)
    cut = read_night(registry, recipe, night)
    if cut is None:
        msg = f"night {night} of {recipe} has no cut in the registry; restore the registry from a backup"
        raise FaultError(msg)
    return Night(read_recipe(registry, recipe, night), night, cut, open_store(), registry, is_recorded)


def describe_recipe(recipe: Recipe) -> bytes:
    """Return a recipe as JSON: equal recipes give equal bytes.

    Names keep the order of the file, in which a model answers fields and trials are numbered.
    """
    return json.dumps(recipe.model_dump(mode="json"), separators=(",", ":"), ensure_ascii=False).encode()


def read_recipe(registry: Database, recipe: str, night: date) -> Recipe:
    """Return the pinned recipe of a night, and log a warning if its file has changed since.

    Raises:
        InputError: The night has no pinned recipe, and the file cannot be used.
    """
    pinned = read_pinned_recipe(registry, recipe, night)
    if pinned is None:
        return load_recipe(recipe)
    try:
        now = describe_recipe(load_recipe(recipe))
    except InputError as error:
        logger.warning(
            "recipe %s: still used by night %s; its file is broken: %s", short(digest_bytes(pinned)), night, error
        )
    else:
        if now != pinned:
            logger.warning(
                "recipe %s: still used by night %s; its file has changed since to recipe %s; "
                "run the night again to use the file",
                short(digest_bytes(pinned)),
                night,
                short(digest_bytes(now)),
            )
    return Recipe.model_validate_json(pinned)
