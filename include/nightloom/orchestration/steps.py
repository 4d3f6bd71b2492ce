"""Steps: the functions of `nightloom.nightly` as Airflow tasks. A task's id is its function's name."""

import logging
from collections.abc import Collection, Sequence
from datetime import timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.exceptions import AirflowRescheduleException, AirflowSkipException

from nightloom.core.connections import resolving_with
from nightloom.core.errors import NightBusyError, NightloomError
from nightloom.core.nights import choose_night, utc_now
from nightloom.core.stages import Stage, check_arguments
from nightloom.orchestration.connections import find_airflow_connection
from nightloom.orchestration.links import DataDocsLink, ReportLink
from nightloom.orchestration.turns import OPENS, find_night_to_wait_for
from nightloom.processes.parent import terminate_children

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.definitions.mappedoperator import MappedOperator

logger = logging.getLogger(__name__)

GPU = "gpu"
"""The pool of tasks that train or generate. Its slots limit how many run at once."""

RETRIES = 2
"""Number of retries after a fault."""

TRAINING_RETRIES = 7
"""Number of retries of a training, which resumes from its last checkpoint. They outlast 20 minutes without a store."""

VALIDATES = "curate_records"
"""The step that publishes the Data Docs."""

_RECHECK_DELAY = timedelta(seconds=20)


class NightOperator(BaseOperator):
    """A task of one stage of one recipe's night. Its arguments come from the `default_args` of its Dag.

    Args:
        recipe: Name of the recipe.
        stage: The stage of the Dag.
        timezone: The recipe's time zone, for the date of the night.
        kwargs: Arguments of every operator.
    """

    operator_extra_links: Collection[BaseOperatorLink] = (ReportLink(),)

    def __init__(self, *, recipe: str, stage: Stage, timezone: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.recipe = recipe
        self.stage = stage
        self.timezone = timezone

    def night_of(self, context: "Context") -> str:
        """Return the night of a run: from the form, else its partition, else its logical date or start."""
        run = context["dag_run"]
        moment = run.logical_date or run.run_after
        return choose_night(context["params"].get("night"), run.partition_key, moment, self.timezone).isoformat()


class StepOperator(NightOperator):
    """Run one step. A `Stop` skips the tasks after it and leaves the run green.

    Args:
        step: Name of the function in `nightloom.nightly.<stage>`.
        arguments: Arguments besides recipe and night: ids, numbers, or tasks that return them.
        over: Name of the mapped argument, or None if the task is not mapped.
        item: Value of the mapped argument.
        kwargs: Arguments of every operator of a night.
    """

    template_fields: Sequence[str] = ("arguments",)

    def __init__(
        self,
        *,
        step: str,
        arguments: dict[str, Any] | None = None,
        over: str | None = None,
        item: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.step = step
        self.arguments = arguments or {}
        self.over = over
        self.item = item
        if step == VALIDATES:
            self.operator_extra_links = (ReportLink(), DataDocsLink())

    def execute(self, context: "Context") -> Any:
        """Call the function, and return its result."""
        from nightloom.core.nights import Stop

        function = getattr(import_module(f"nightloom.nightly.{self.stage}"), self.step)
        each, night = {self.over: self.item} if self.over else {}, self.night_of(context)
        if self.step == OPENS and (older := find_night_to_wait_for(context, night)):
            _wait(f"night {older} of {self.recipe} has not begun yet, and nights begin in order")
        try:
            with resolving_with(find_airflow_connection):
                result = function(self.recipe, night, **self.arguments, **each)
        except NightBusyError as error:
            _wait(str(error))
        except NightloomError as error:
            # The message on one line, before the traceback that Airflow logs.
            logger.error("%s", error)
            raise
        if isinstance(result, Stop):
            raise AirflowSkipException(result.message)
        return result

    def on_kill(self) -> None:
        """End the child processes of this task."""
        terminate_children()


def _wait(reason: str) -> NoReturn:
    """Run the task again later. A rescheduled task frees its slot while it waits."""
    logger.info("%s", reason)
    raise AirflowRescheduleException(utc_now() + _RECHECK_DELAY) from None  # type: ignore[no-untyped-call]  # theirs


def step(name: str, *, task_id: str | None = None, pool: str = "default_pool", **arguments: Any) -> StepOperator:
    """Return the task of a step. An argument that is a task becomes its result.

    Raises:
        ValueError: The step does not exist or lacks a parameter of that name.
    """
    check_arguments(name, arguments)
    return StepOperator(task_id=task_id or name, step=name, pool=pool, arguments=_outputs(arguments))


def mapped_step(
    name: str,
    over: str,
    items: StepOperator,
    *,
    task_id: str | None = None,
    pool: str = "default_pool",
    retries: int = RETRIES,
    **arguments: Any,
) -> "MappedOperator":
    """Return a mapped task: one for each item of the list that another task returns.

    Args:
        name: Name of the step.
        over: Name of the mapped argument.
        items: Task that returns the list.
        task_id: Id of the task, if not the name of the step.
        pool: Pool of the task.
        retries: Number of retries after a fault.
        arguments: Other arguments of the step.

    Raises:
        ValueError: The step does not exist or lacks a parameter of that name.
    """
    check_arguments(name, [*arguments, over])
    return StepOperator.partial(
        task_id=task_id or name,
        step=name,
        pool=pool,
        retries=retries,
        arguments=_outputs(arguments),
        over=over,
        map_index_template=f"{over.removesuffix('_no')} {{{{ task.item }}}}",
    ).expand(item=items.output)


def _outputs(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: getattr(value, "output", value) for name, value in arguments.items()}
