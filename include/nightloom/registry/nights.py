"""Nights and outcomes: the cut of each night, recorded once, and the outcome of each stage."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

import sqlalchemy as sa

from nightloom.core.digests import digest_bytes
from nightloom.core.nights import NightCut, utc_now
from nightloom.core.stages import STAGES, Stage
from nightloom.registry.database import Database
from nightloom.registry.tables import NightRow, OutcomeRow, RecipeRow

Status = Literal["running", "done", "nothing_new", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class StageOutcome:
    """The outcome of a stage of a night."""

    recipe: str
    night: date
    stage: Stage
    status: Status
    message: str
    manifest: str | None
    started_at: datetime
    ended_at: datetime | None


def record_night(database: Database, night: NightCut) -> NightCut:
    """Record a night's cut unless one is recorded, and return the recorded one."""
    with database.transaction() as session:
        row = session.get(NightRow, (night.recipe, night.night))
        if row is None:
            row = NightRow(
                recipe=night.recipe,
                night=night.night,
                cut_from=night.cut_from.astimezone(UTC).replace(tzinfo=None),
                cut_to=night.cut_to.astimezone(UTC).replace(tzinfo=None),
            )
            session.add(row)
        return _as_night(row)


def read_night(database: Database, recipe: str, night: date) -> NightCut | None:
    """Return the recorded night, or None."""
    with database.transaction() as session:
        row = session.get(NightRow, (recipe, night))
        return None if row is None else _as_night(row)


def pin_recipe(database: Database, recipe: str, night: date, document: bytes) -> str:
    """Pin a night to a recipe, even if the file changes later, and return the recipe's digest.

    Args:
        database: The registry.
        recipe: Name of the recipe.
        night: A recorded night.
        document: The recipe as canonical JSON.
    """
    digest = digest_bytes(document)
    with database.transaction() as session:
        session.merge(RecipeRow(digest=digest, document=document.decode()))
        session.get_one(NightRow, (recipe, night)).recipe_digest = digest
    return digest


def read_pinned_recipe(database: Database, recipe: str, night: date) -> bytes | None:
    """Return the pinned recipe of a night as canonical JSON, or None if the night was never opened."""
    query = (
        sa.select(RecipeRow.document)
        .join(NightRow, NightRow.recipe_digest == RecipeRow.digest)
        .where(NightRow.recipe == recipe, NightRow.night == night)
    )
    with database.transaction() as session:
        document = session.scalar(query)
    return None if document is None else document.encode()


def is_latest_night(database: Database, recipe: str, night: date) -> bool:
    """Whether no later night of the recipe has begun; only the latest night may move a ref."""
    with database.transaction() as session:
        latest = session.scalar(sa.select(sa.func.max(NightRow.night)).where(NightRow.recipe == recipe))
        return latest is None or night >= latest


def begin_stage(database: Database, recipe: str, night: date, stage: Stage) -> None:
    """Record that a stage is running, so that a killed one is not mistaken for a success."""
    with database.transaction() as session:
        session.merge(
            OutcomeRow(
                recipe=recipe,
                night=night,
                stage=stage,
                status="running",
                message=f"{stage} is running, or was killed before it reported a result",
                manifest=None,
                started_at=utc_now().replace(tzinfo=None),
                ended_at=None,
            )
        )


def end_stage(
    database: Database,
    recipe: str,
    night: date,
    stage: Stage,
    status: Status,
    message: str,
    manifest: str | None = None,
) -> None:
    """Record the outcome of a stage."""
    now = utc_now().replace(tzinfo=None)
    with database.transaction() as session:
        row = session.get(OutcomeRow, (recipe, night, stage))
        if row is None:
            row = OutcomeRow(recipe=recipe, night=night, stage=stage, started_at=now)
            session.add(row)
        row.status, row.message, row.manifest, row.ended_at = status, message, manifest, now


def read_outcome(database: Database, recipe: str, night: date, stage: Stage) -> StageOutcome | None:
    """Return the outcome of a stage of a night, or None."""
    with database.transaction() as session:
        row = session.get(OutcomeRow, (recipe, night, stage))
        return None if row is None else as_outcome(row)


def read_outcomes(database: Database, recipe: str, until: date, limit: int) -> list[StageOutcome]:
    """Return the outcomes of a recipe's last nights up to one, newest night first."""
    query = (
        sa.select(OutcomeRow)
        .where(OutcomeRow.recipe == recipe, OutcomeRow.night <= until)
        .order_by(OutcomeRow.night.desc(), OutcomeRow.stage)
        .limit(limit * len(STAGES))
    )
    with database.transaction() as session:
        return [as_outcome(row) for row in session.scalars(query)]


def is_running(database: Database, recipe: str, night: date) -> bool:
    """Whether a stage of a night is running, or was killed and not run again."""
    query = sa.select(OutcomeRow.stage).where(
        OutcomeRow.recipe == recipe, OutcomeRow.night == night, OutcomeRow.status == "running"
    )
    with database.transaction() as session:
        return session.scalar(query.limit(1)) is not None


def list_unfinished_nights(database: Database, recipe: str) -> list[str]:
    """Return the nights of a recipe with a stage that is running, or was killed."""
    query = sa.select(OutcomeRow.night).where(OutcomeRow.recipe == recipe, OutcomeRow.status == "running").distinct()
    with database.transaction() as session:
        return sorted(night.isoformat() for night in session.scalars(query))


def _as_night(row: NightRow) -> NightCut:
    return NightCut(row.recipe, row.night, row.cut_from.replace(tzinfo=UTC), row.cut_to.replace(tzinfo=UTC))


def as_outcome(row: OutcomeRow) -> StageOutcome:
    """Return a row of the table as a StageOutcome."""
    return StageOutcome(
        recipe=row.recipe,
        night=row.night,
        stage=row.stage,  # type: ignore[arg-type]  # only end_stage writes it
        status=row.status,  # type: ignore[arg-type]  # only end_stage writes it
        message=row.message,
        manifest=row.manifest,
        started_at=row.started_at.replace(tzinfo=UTC),
        ended_at=row.ended_at.replace(tzinfo=UTC) if row.ended_at else None,
    )
