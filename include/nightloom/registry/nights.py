"""Nights and their outcomes: the cut of each night, recorded once, and what each stage came to."""

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
    """What a stage of a night came to."""

    recipe: str
    night: date
    stage: Stage
    status: Status
    message: str
    manifest: str | None
    started_at: datetime
    ended_at: datetime | None


def record_night(database: Database, night: NightCut) -> NightCut:
    """Write a night's cut down unless it is, and give the one that stands."""
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
    """Return the recorded night, or nothing."""
    with database.transaction() as session:
        row = session.get(NightRow, (recipe, night))
        return None if row is None else _as_night(row)


def pin_recipe(database: Database, recipe: str, night: date, document: bytes) -> str:
    """Write down by which recipe a night goes on, whatever becomes of its file, and return its digest.

    Args:
        database: The registry.
        recipe: Name of the recipe.
        night: A night that was recorded.
        document: The recipe as canonical JSON.
    """
    digest = digest_bytes(document)
    with database.transaction() as session:
        session.merge(RecipeRow(digest=digest, document=document.decode()))
        session.get_one(NightRow, (recipe, night)).recipe_digest = digest
    return digest


def read_pinned_recipe(database: Database, recipe: str, night: date) -> bytes | None:
    """Return the recipe that a night is pinned to as canonical JSON, or None if the night was never opened."""
    query = (
        sa.select(RecipeRow.document)
        .join(NightRow, NightRow.recipe_digest == RecipeRow.digest)
        .where(NightRow.recipe == recipe, NightRow.night == night)
    )
    with database.transaction() as session:
        document = session.scalar(query)
    return None if document is None else document.encode()


def is_latest_night(database: Database, recipe: str, night: date) -> bool:
    """Whether no later night of the recipe has begun: only such a night may move a ref."""
    with database.transaction() as session:
        latest = session.scalar(sa.select(sa.func.max(NightRow.night)).where(NightRow.recipe == recipe))
        return latest is None or night >= latest


def begin_stage(database: Database, recipe: str, night: date, stage: Stage) -> None:
    """Say that a stage is running: if it ends without a word, that word stays and is not mistaken for success."""
    with database.transaction() as session:
        session.merge(
            OutcomeRow(
                recipe=recipe,
                night=night,
                stage=stage,
                status="running",
                message=f"{stage} has begun and not said how it ended",
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
    """Write down what a stage came to."""
    now = utc_now().replace(tzinfo=None)
    with database.transaction() as session:
        row = session.get(OutcomeRow, (recipe, night, stage))
        if row is None:
            row = OutcomeRow(recipe=recipe, night=night, stage=stage, started_at=now)
            session.add(row)
        row.status, row.message, row.manifest, row.ended_at = status, message, manifest, now


def read_outcome(database: Database, recipe: str, night: date, stage: Stage) -> StageOutcome | None:
    """Return what a stage of a night came to, or nothing."""
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
    """Whether a stage of a night runs, or was killed and has not been run again."""
    query = sa.select(OutcomeRow.stage).where(
        OutcomeRow.recipe == recipe, OutcomeRow.night == night, OutcomeRow.status == "running"
    )
    with database.transaction() as session:
        return session.scalar(query.limit(1)) is not None


def list_unfinished_nights(database: Database, recipe: str) -> list[str]:
    """Return the nights of a recipe of which a stage is running, or was killed."""
    query = sa.select(OutcomeRow.night).where(OutcomeRow.recipe == recipe, OutcomeRow.status == "running").distinct()
    with database.transaction() as session:
        return sorted(night.isoformat() for night in session.scalars(query))


def _as_night(row: NightRow) -> NightCut:
    return NightCut(row.recipe, row.night, row.cut_from.replace(tzinfo=UTC), row.cut_to.replace(tzinfo=UTC))


def as_outcome(row: OutcomeRow) -> StageOutcome:
    """Return a row of the table as a value."""
    return StageOutcome(
        recipe=row.recipe,
        night=row.night,
        stage=row.stage,  # type: ignore[arg-type]  # written by end_stage alone
        status=row.status,  # type: ignore[arg-type]  # likewise
        message=row.message,
        manifest=row.manifest,
        started_at=row.started_at.replace(tzinfo=UTC),
        ended_at=row.ended_at.replace(tzinfo=UTC) if row.ended_at else None,
    )
