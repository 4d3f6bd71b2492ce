"""Trials: progress, the checkpoint to resume from, and curves of each trial."""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from nightloom.artifacts.ids import CheckpointId, TrialId
from nightloom.artifacts.training import Checkpoint, Trial
from nightloom.core.errors import RegistryError
from nightloom.core.nights import utc_now
from nightloom.registry.database import Database
from nightloom.registry.tables import MetricRow, TrialRow


@dataclass(frozen=True, slots=True)
class TrialProgress:
    """The progress of a trial.

    Attributes:
        trial: Id of the trial.
        step: Number of optimizer steps done.
        steps: Number of all steps; 0 until it is known.
        device: Device name, such as `cpu` or the name of a GPU.
        seconds: Device seconds: the sum over processes and attempts.
        checkpoint: Last complete checkpoint, or None.
        started_at: When the current attempt began.
        seen_at: Time of the last heartbeat.
        finished_at: When the adapter was published, or None.
    """

    trial: TrialId
    step: int
    steps: int
    device: str
    seconds: float
    checkpoint: CheckpointId | None
    started_at: datetime
    seen_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class MetricPoint:
    """One point of a trial's curve, such as the loss at a step."""

    name: str
    step: int
    value: float


def begin_trial(database: Database, trial_id: TrialId, *, device: str) -> TrialProgress:
    """Record that an attempt at a trial begins. Seconds of earlier attempts are kept."""
    now = _now()
    with database.transaction() as session:
        row = session.get(TrialRow, trial_id, with_for_update=True)
        if row is None:
            row = TrialRow(trial=trial_id, step=0, steps=0, seconds=0.0)
            session.add(row)
        row.device, row.started_at, row.seen_at, row.finished_at = device, now, now, None
        return _as_progress(row)


def resume_trial(database: Database, trial_id: TrialId, step: int, checkpoint_id: CheckpointId | None) -> None:
    """Record the step and checkpoint from which an attempt resumes, and delete later metrics."""
    with database.transaction() as session:
        row = _find(session, trial_id)
        row.step, row.checkpoint = step, checkpoint_id
        session.execute(sa.delete(MetricRow).where(MetricRow.trial == trial_id, MetricRow.step > step))


def record_progress(
    database: Database,
    trial_id: TrialId,
    *,
    step: int,
    steps: int,
    seconds: float,
    metrics: Collection[MetricPoint] = (),
) -> None:
    """Record the progress of a trial, and its metrics since the last call."""
    with database.transaction() as session:
        row = _find(session, trial_id)
        row.step, row.steps, row.seconds, row.seen_at = step, steps, seconds, _now()
        _add_metrics(session, trial_id, metrics)


def point_to_checkpoint(database: Database, trial_id: TrialId, checkpoint_id: CheckpointId) -> None:
    """Record the checkpoint from which the next attempt resumes; it must be complete."""
    with database.transaction() as session:
        _find(session, trial_id).checkpoint = checkpoint_id


def finish_trial(database: Database, trial_id: TrialId) -> None:
    """Record that a trial's adapter is published, so its checkpoint can be deleted. The first call counts."""
    with database.transaction() as session:
        row = session.get(TrialRow, trial_id)
        if row is not None and row.finished_at is None:
            row.finished_at = row.seen_at = _now()


def read_trial(database: Database, trial_id: TrialId) -> TrialProgress | None:
    """Return the progress of a trial, or None if it never began."""
    with database.transaction() as session:
        row = session.get(TrialRow, trial_id)
        return None if row is None else _as_progress(row)


def read_trials(database: Database, trials: Iterable[TrialId]) -> list[TrialProgress]:
    """Return the progress of those trials that began."""
    query = sa.select(TrialRow).where(TrialRow.trial.in_(set(trials))).order_by(TrialRow.trial)
    with database.transaction() as session:
        return [_as_progress(row) for row in session.scalars(query)]


def sum_seconds(database: Database, trials: Iterable[TrialId]) -> float:
    """Return the device seconds of trials, over all attempts."""
    return sum(one.seconds for one in read_trials(database, trials))


def add_metrics(database: Database, trial_id: TrialId, metrics: Collection[MetricPoint]) -> None:
    """Record metrics; non-finite values are left out, and a later value of a step replaces the earlier."""
    with database.transaction() as session:
        _add_metrics(session, trial_id, metrics)


def read_curve(database: Database, trial_id: TrialId, name: str) -> list[tuple[int, float]]:
    """Return a trial's curve as pairs of step and value, by step."""
    query = (
        sa.select(MetricRow.step, MetricRow.value)
        .where(MetricRow.trial == trial_id, MetricRow.name == name)
        .order_by(MetricRow.step)
    )
    with database.transaction() as session:
        return [(step, value) for step, value in session.execute(query)]


def _add_metrics(session: Session, trial_id: TrialId, metrics: Collection[MetricPoint]) -> None:
    latest = {(point.name, point.step): point.value for point in metrics if math.isfinite(point.value)}
    for name in {name for name, _ in latest}:
        steps = [step for other, step in latest if other == name]
        session.execute(
            sa.delete(MetricRow).where(MetricRow.trial == trial_id, MetricRow.name == name, MetricRow.step.in_(steps))
        )
    rows = [{"trial": trial_id, "name": name, "step": step, "value": value} for (name, step), value in latest.items()]
    if rows:
        session.execute(sa.insert(MetricRow), rows)


def _find(session: Session, trial_id: TrialId) -> TrialRow:
    row = session.get(TrialRow, trial_id, with_for_update=True)
    if row is None:
        msg = f"trial {trial_id} is not in the registry, which was replaced while the trial ran; train the trial again"
        raise RegistryError(msg)
    return row


def _as_progress(row: TrialRow) -> TrialProgress:
    return TrialProgress(
        trial=Trial.as_id(row.trial),
        step=row.step,
        steps=row.steps,
        device=row.device,
        seconds=row.seconds,
        checkpoint=Checkpoint.as_id(row.checkpoint) if row.checkpoint else None,
        started_at=row.started_at.replace(tzinfo=UTC),
        seen_at=row.seen_at.replace(tzinfo=UTC),
        finished_at=row.finished_at.replace(tzinfo=UTC) if row.finished_at else None,
    )


def _now() -> datetime:
    return utc_now().replace(tzinfo=None)
