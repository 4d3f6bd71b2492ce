"""Announce: the last tasks of a Dag, which emit the outcome of its stage, also after a failure.

They are teardowns of Airflow: they run after a failure or a kill, and the state of the run is that of the work before
them.
"""

import logging
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowSkipException

from nightloom.core.errors import InputError, RegistryError
from nightloom.core.nights import parse_night, utc_now
from nightloom.core.stages import Stage
from nightloom.orchestration.steps import NightOperator
from nightloom.registry.database import Database, open_database
from nightloom.registry.nights import StageOutcome, read_outcome, require_night
from nightloom.registry.stages import finish_stage
from nightloom.registry.store import open_store

if TYPE_CHECKING:
    from airflow.sdk import Context

logger = logging.getLogger(__name__)


class AnnounceOperator(NightOperator):
    """Emit the stage's asset with the night as its partition and the outcome in its extra."""

    def execute(self, context: "Context") -> None:
        """Finalise the outcome and emit it. A night that was never opened, such as one that has not come, has none."""
        night = self.night_of(context)
        try:
            require_night(open_database(), self.recipe, parse_night(night))
            outcome = finalise_outcome(
                open_database(),
                self.recipe,
                parse_night(night),
                self.stage,
                failed=_failed_tasks(context),
                started_at=context["dag_run"].start_date,
            )
        except InputError as error:
            raise AirflowSkipException(str(error)) from None
        except RegistryError as error:
            # The next stage needs the event even then.
            outcome = _failure(self.recipe, parse_night(night), self.stage, str(error))
        logger.info("%s of night %s: %s: %s", self.stage, night, outcome.status, outcome.message)
        for asset in self.outlets:
            emit(context, asset, night, _as_extra(outcome))


class AnnounceChampionOperator(NightOperator):
    """Emit the champion's asset if the night's verdict moved the ref, or else skip this task.

    A run of a stored blueprint moves no ref, though an earlier run of its night may have.
    """

    def execute(self, context: "Context") -> None:
        """Find the move in the log of refs."""
        from nightloom.registry.refs import read_log_tail

        night = self.night_of(context)
        moves = read_log_tail(open_database(), self.recipe, "champion", limit=1)
        is_stored = bool(context["params"].get("blueprint"))
        # A move by hand is no result of this night.
        if is_stored or not moves or moves[-1].night.isoformat() != night or moves[-1].by_hand:
            msg = f"night {night} promoted no champion"
            raise AirflowSkipException(msg)
        move = moves[-1]
        for asset in self.outlets:
            emit(context, asset, night, {"night": night, "champion": move.new, "verdict": move.cites})


def announce(asset: Asset) -> AnnounceOperator:
    """Return the last task of a stage, which emits its asset whatever the outcome."""
    operator = AnnounceOperator(task_id="announce", outlets=[asset])  # type: ignore[call-arg]  # the rest: default_args
    operator.as_teardown()
    return operator


def announce_champion(asset: Asset) -> AnnounceChampionOperator:
    """Return the task that emits the champion's asset if the ref moved."""
    return AnnounceChampionOperator(task_id="announce_champion", outlets=[asset])  # type: ignore[call-arg]  # likewise


def finalise_outcome(
    database: Database, recipe: str, night: date, stage: Stage, *, failed: list[str], started_at: datetime | None
) -> StageOutcome:
    """Return the outcome of a stage, after recording a failure if the stage reported no result.

    Args:
        database: The registry.
        recipe: Name of the recipe.
        night: The night.
        stage: The stage. All of its work has ended.
        failed: Failed tasks of this run.
        started_at: When this run started. An older outcome is from another run.
    """
    outcome = read_outcome(database, recipe, night, stage)
    is_stale = outcome is not None and started_at is not None and outcome.started_at < started_at
    if outcome is not None and outcome.status != "running" and not (failed and is_stale):
        return outcome
    cause = f"task {' and '.join(failed)} failed or was killed" if failed else "the run was stopped from outside"
    failure = _failure(recipe, night, stage, f"{cause}, and {stage} reported no result; see the task's log")
    finish_stage(open_store(), database, recipe, night, stage, "failed", failure.message)
    return failure


def emit(context: "Context", asset: Asset, night: str, extra: dict[str, Any]) -> None:
    """Add an event to an asset, with the night as its partition."""
    event = context["outlet_events"][asset]
    event.extra = extra
    # A manual run has no partition. Its event carries the night to the next Dag.
    event.add_partitions(night)


def _failed_tasks(context: "Context") -> list[str]:
    ti, run = context["ti"], context["dag_run"]
    states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[run.run_id])
    return sorted(task for task, state in states.get(run.run_id, {}).items() if state == "failed")


def _failure(recipe: str, night: date, stage: Stage, message: str) -> StageOutcome:
    now = utc_now()
    return StageOutcome(recipe, night, stage, "failed", message, None, now, now)


def _as_extra(outcome: StageOutcome) -> dict[str, Any]:
    return {
        "night": outcome.night.isoformat(),
        "status": outcome.status,
        "message": outcome.message,
        "manifest": outcome.manifest,
    }
