"""Announce: the last tasks of a Dag. They say what its night came to, also after a failure, and hide none.

Tasks that come to the end whatever happened are Airflow's teardowns: they run after a failure and a kill, and the
state of the run is that of the work before them.
"""

import logging
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowSkipException

from nightloom.core.errors import RegistryError
from nightloom.core.nights import parse_night, utc_now
from nightloom.core.stages import Stage
from nightloom.orchestration.steps import NightOperator
from nightloom.registry.database import Database, open_database
from nightloom.registry.nights import StageOutcome, read_outcome
from nightloom.registry.stages import finish_stage
from nightloom.registry.store import open_store

if TYPE_CHECKING:
    from airflow.sdk import Context

logger = logging.getLogger(__name__)


class AnnounceOperator(NightOperator):
    """Emits the stage's asset with the night as its partition and the outcome in its extra."""

    def execute(self, context: "Context") -> None:
        """Settle the outcome and emit it."""
        night = self.night_of(context)
        try:
            outcome = settle_outcome(
                open_database(),
                self.recipe,
                parse_night(night),
                self.stage,
                failed=_failed_tasks(context),
                begun_at=context["dag_run"].start_date,
            )
        except RegistryError as error:
            # The next stage must hear of the night even so.
            outcome = _failure(self.recipe, parse_night(night), self.stage, str(error))
        logger.info("%s of night %s: %s: %s", self.stage, night, outcome.status, outcome.sentence)
        for asset in self.outlets:
            emit(context, asset, night, _as_extra(outcome))


class AnnounceChampionOperator(NightOperator):
    """Emits the champion's asset when the night's verdict has moved the ref; is skipped when it has not.

    A run of a stored blueprint moves none, though an earlier run of its night may have.
    """

    def execute(self, context: "Context") -> None:
        """Look the move up in the log of refs."""
        from nightloom.registry.refs import read_log_tail

        night = self.night_of(context)
        moves = read_log_tail(open_database(), self.recipe, "champion", limit=1)
        is_narrowed = bool(context["params"].get("blueprint"))
        # Whoever moved it by hand has told whom it concerns.
        if is_narrowed or not moves or moves[-1].night.isoformat() != night or moves[-1].by_hand:
            msg = f"night {night} made no new champion"
            raise AirflowSkipException(msg)
        move = moves[-1]
        for asset in self.outlets:
            emit(context, asset, night, {"night": night, "champion": move.new, "verdict": move.cites})


def announce(asset: Asset) -> AnnounceOperator:
    """Make the last task of a stage, which leaves its asset whatever came of it."""
    operator = AnnounceOperator(task_id="announce", outlets=[asset])  # type: ignore[call-arg]  # the rest: default_args
    operator.as_teardown()
    return operator


def announce_champion(asset: Asset) -> AnnounceChampionOperator:
    """Make the task that leaves the champion's asset when the ref moved."""
    return AnnounceChampionOperator(task_id="announce_champion", outlets=[asset])  # type: ignore[call-arg]  # likewise


def settle_outcome(
    database: Database, recipe: str, night: date, stage: Stage, *, failed: list[str], begun_at: datetime | None
) -> StageOutcome:
    """Return what a stage came to; when it ended without a word, write down that it failed.

    Args:
        database: The registry.
        recipe: Name of the recipe.
        night: Its night.
        stage: Its stage, all of whose work is over.
        failed: Tasks of this run that failed.
        begun_at: When this run began: an outcome that is older than it is of another.
    """
    outcome = read_outcome(database, recipe, night, stage)
    is_stale = outcome is not None and begun_at is not None and outcome.started_at < begun_at
    if outcome is not None and outcome.status != "running" and not (failed and is_stale):
        return outcome
    culprit = f"{' and '.join(failed)} failed or was killed" if failed else "it was ended from outside"
    failure = _failure(recipe, night, stage, f"{stage} ended without a word: {culprit}; the task's log has the rest")
    finish_stage(open_store(), database, recipe, night, stage, "failed", failure.sentence)
    return failure


def emit(context: "Context", asset: Asset, night: str, extra: dict[str, Any]) -> None:
    """Put an event on an asset, with the night as its partition."""
    event = context["outlet_events"][asset]
    event.extra = extra
    # A run by hand has no partition of its own: this is what carries its night down the chain.
    event.add_partitions(night)


def _failed_tasks(context: "Context") -> list[str]:
    ti, run = context["ti"], context["dag_run"]
    states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[run.run_id])
    return sorted(task for task, state in states.get(run.run_id, {}).items() if state == "failed")


def _failure(recipe: str, night: date, stage: Stage, sentence: str) -> StageOutcome:
    now = utc_now()
    return StageOutcome(recipe, night, stage, "failed", sentence, None, now, now)


def _as_extra(outcome: StageOutcome) -> dict[str, Any]:
    return {
        "night": outcome.night.isoformat(),
        "status": outcome.status,
        "sentence": outcome.sentence,
        "manifest": outcome.manifest,
    }
