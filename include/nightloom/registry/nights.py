"""Nights and outcomes: which nights were opened, by whom and with which recipe, and the outcome of each stage."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

import sqlalchemy as sa

from nightloom.core.digests import digest_bytes
from nightloom.core.errors import InputError
from nightloom.core.nights import NightCut, utc_now
from nightloom.core.stages import STAGES, Stage
from nightloom.registry.cuts import commit_cut, read_cut, record_cut
from nightloom.registry.database import Database
from nightloom.registry.tables import CutRow, MemberRow, NightRow, OutcomeRow, RecipeRow

Status = Literal["running", "done", "nothing_new", "refused", "failed"]

OpenedBy = Literal["schedule", "hand", "nightwatch"]
"""Who opened a night. What nightwatch opened was due and never began."""

_LEAD = {"nightwatch": 0, "hand": 1, "schedule": 2}


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


def record_night(database: Database, planned: NightCut, opened_by: OpenedBy = "hand") -> NightCut:
    """Record that a night was opened, and return it with the cut that its prepare stage reads (see `open_cut`).

    A night that the schedule opened once stays a scheduled one.
    """
    with database.transaction() as session:
        row = session.get(NightRow, (planned.recipe, planned.night))
        if row is None:
            session.add(NightRow(recipe=planned.recipe, night=planned.night, opened_by=opened_by))
        else:
            row.opened_by = max(row.opened_by, opened_by, key=_LEAD.__getitem__)
        return record_cut(session, "prepare", planned)


def read_night(database: Database, recipe: str, night: date) -> NightCut | None:
    """Return an opened night with the cut of its prepare stage, or None."""
    return read_cut(database, recipe, "prepare", night)


def require_night(database: Database, recipe: str, night: date) -> None:
    """Refuse a night that was never opened, such as one that has not come.

    Raises:
        InputError: The night was never opened.
    """
    with database.reading() as session:
        if session.get(NightRow, (recipe, night)) is not None:
            return
    run = f"`nightloom run {recipe} --night {night}` runs it, " if night <= utc_now().date() else ""
    msg = f"night {night} of {recipe} was never opened; {run}`nightloom night list {recipe}` lists the nights"
    raise InputError(msg)


def list_recipes(database: Database) -> list[str]:
    """Return the recipes that have a night, or an imported model, in the order of their names."""
    query = sa.union(sa.select(NightRow.recipe), sa.select(MemberRow.recipe)).order_by("recipe")
    with database.reading() as session:
        return list(session.scalars(query))


def find_latest_night(database: Database, recipe: str) -> date | None:
    """Return the latest night of a recipe that was opened, or None."""
    with database.reading() as session:
        return session.scalar(sa.select(sa.func.max(NightRow.night)).where(NightRow.recipe == recipe))


def find_committed_night(database: Database, recipe: str) -> date | None:
    """Return the latest night of a recipe that has committed a snapshot, or None."""
    query = sa.select(sa.func.max(CutRow.night)).where(
        CutRow.recipe == recipe, CutRow.stage == "prepare", CutRow.is_committed
    )
    with database.reading() as session:
        return session.scalar(query)


def find_night_with(database: Database, recipe: str, stage: Stage) -> date | None:
    """Return the latest night of a recipe with a result of this stage, or None."""
    query = sa.select(sa.func.max(OutcomeRow.night)).where(
        OutcomeRow.recipe == recipe, OutcomeRow.stage == stage, OutcomeRow.manifest.is_not(None)
    )
    with database.reading() as session:
        return session.scalar(query)


def find_first_scheduled_night(database: Database, recipe: str) -> date | None:
    """Return the first night of a recipe that its schedule opened, or None."""
    query = sa.select(sa.func.min(NightRow.night)).where(NightRow.recipe == recipe, NightRow.opened_by == "schedule")
    with database.reading() as session:
        return session.scalar(query)


def pin_recipe(database: Database, recipe: str, night: date, document: bytes) -> str:
    """Pin a night to a recipe, even if the file changes later, and return the recipe's digest.

    Args:
        database: The registry.
        recipe: Name of the recipe.
        night: An opened night.
        document: The recipe as JSON.
    """
    digest = digest_bytes(document)
    with database.transaction() as session:
        session.merge(RecipeRow(digest=digest, document=document.decode()))
        session.get_one(NightRow, (recipe, night)).recipe_digest = digest
    return digest


def read_pinned_recipe(database: Database, recipe: str, night: date) -> bytes | None:
    """Return the pinned recipe of a night as JSON, or None if the night was never opened."""
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
    began = sa.select(sa.func.max(NightRow.night)).where(NightRow.recipe == recipe, NightRow.opened_by != "nightwatch")
    with database.reading() as session:
        latest = session.scalar(began)
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
    """Record the outcome of a stage. A stage that is done has committed its cut."""
    now = utc_now().replace(tzinfo=None)
    with database.transaction() as session:
        row = session.get(OutcomeRow, (recipe, night, stage))
        if row is None:
            row = OutcomeRow(recipe=recipe, night=night, stage=stage, started_at=now)
            session.add(row)
        row.status, row.message, row.manifest, row.ended_at = status, message, manifest, now
        if status == "done":
            commit_cut(session, recipe, stage, night)


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
