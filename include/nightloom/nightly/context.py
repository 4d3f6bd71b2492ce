"""Context: what the steps of a night work on, opened once a step."""

import logging
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from nightloom.core.digests import canonical_json, digest_bytes, short
from nightloom.core.errors import InputError
from nightloom.core.manifests import Manifest
from nightloom.core.nights import NightCut
from nightloom.core.stages import Stage
from nightloom.core.store import ObjectStore
from nightloom.recipes.check import load_recipe
from nightloom.recipes.schema import Recipe
from nightloom.registry.database import Database, open_database
from nightloom.registry.members import add_member
from nightloom.registry.nights import read_night, read_pinned_recipe
from nightloom.registry.stages import Ending, finish_stage
from nightloom.registry.store import open_store

logger = logging.getLogger(__name__)

M = TypeVar("M", bound=Manifest)


@dataclass(frozen=True, slots=True)
class Night:
    """One night of one recipe.

    Attributes:
        recipe: As it was when the night began.
        date: The night.
        cut: Of the sources.
        store: Holds what the night makes.
        registry: Knows refs and nights, and indexes what the night makes.
        is_recorded: What a step comes to is what the night came to; not so where a step is run beside its night.
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
        """Publish a manifest as one of this night's, and return the one that is kept."""
        kept = self.store.publish(manifest)
        self.keep(kept.kind, kept.id)
        return kept

    def keep(self, kind: str, manifest_id: str) -> None:
        """Note that a manifest is one of this night's: it was published by a child process, or before."""
        add_member(self.registry, self.recipe.name, self.date, kind, manifest_id)

    def end(self, stage: Stage, status: Ending, message: str, manifest_id: str | None = None) -> None:
        """Write down what a stage came to."""
        if self.is_recorded:
            finish_stage(self.store, self.registry, self.recipe.name, self.date, stage, status, message, manifest_id)


def open_night(recipe: str, night: date, *, is_recorded: bool = True) -> Night:
    """Open a night that was begun, with the recipe that it is pinned to.

    Raises:
        InputError: It was not begun, or its recipe cannot be used.
    """
    registry = open_database()
    cut = read_night(registry, recipe, night)
    if cut is None:
        msg = f"night {night} of {recipe} was never opened; run `nightloom run {recipe} --night {night}`"
        raise InputError(msg)
    return Night(read_recipe(registry, recipe, night), night, cut, open_store(), registry, is_recorded)


def describe_recipe(recipe: Recipe) -> bytes:
    """Return a recipe as canonical JSON, which tells whether two are the same."""
    return canonical_json(recipe.model_dump(mode="json"))


def read_recipe(registry: Database, recipe: str, night: date) -> Recipe:
    """Return the recipe that a night is pinned to, and say in the log when the file is another one by now.

    Raises:
        InputError: The night is pinned to none, and the file cannot be used.
    """
    pinned = read_pinned_recipe(registry, recipe, night)
    if pinned is None:
        return load_recipe(recipe)
    try:
        now = describe_recipe(load_recipe(recipe))
    except InputError as error:
        logger.warning("night %s goes on by recipe %s: %s", night, short(digest_bytes(pinned)), error)
    else:
        if now != pinned:
            logger.warning(
                "the recipe was changed since night %s began: it goes on by recipe %s, the file is %s; "
                "run the night again to use the file",
                night,
                short(digest_bytes(pinned)),
                short(digest_bytes(now)),
            )
    return Recipe.model_validate_json(pinned)
