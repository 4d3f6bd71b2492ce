"""Stage results: recorded in the registry, and in the store for a rebuild of the registry."""

import logging
from datetime import date, datetime
from typing import Literal

from nightloom.artifacts.stages import StageResult
from nightloom.core.errors import StoreError
from nightloom.core.nights import utc_now
from nightloom.core.stages import Stage
from nightloom.core.store import ObjectStore
from nightloom.registry.database import Database
from nightloom.registry.members import list_night
from nightloom.registry.nights import end_stage, read_outcome

logger = logging.getLogger(__name__)

Ending = Literal["done", "nothing_new", "refused", "failed"]


def finish_stage(
    store: ObjectStore,
    database: Database,
    recipe: str,
    night: date,
    stage: Stage,
    status: Ending,
    message: str,
    manifest: str | None = None,
) -> None:
    """Record the result of a stage of a night, in the store first and then in the registry.

    A failure is recorded in the registry first, and possibly only there: the store may be the cause.
    """
    outcome = read_outcome(database, recipe, night, stage)
    content = StageResult.Content(
        recipe=recipe,
        night=night.isoformat(),
        stage=stage,
        status=status,
        message=message,
        manifest=manifest,
        members=_gather_members(database, recipe, night),
    )
    began_at = outcome.started_at if outcome else utc_now()
    if status != "failed":
        _publish(store, content, began_at)
    end_stage(database, recipe, night, stage, status, message, manifest)
    if status == "failed":
        try:
            _publish(store, content, began_at)
        except StoreError as error:
            logger.warning("%s of night %s failed, which could not be recorded in the store: %s", stage, night, error)


def _publish(store: ObjectStore, content: StageResult.Content, began_at: datetime) -> None:
    store.publish(
        StageResult(content=content, provenance=StageResult.Provenance(began_at=began_at, ended_at=utc_now()))
    )


def _gather_members(database: Database, recipe: str, night: date) -> dict[str, tuple[str, ...]]:
    members: dict[str, tuple[str, ...]] = {}
    for one in list_night(database, recipe, night):
        members[one.kind] = (*members.get(one.kind, ()), one.manifest)
    return members
