"""Steps: a function of a night as the command line and Airflow call it, with its recipe's name and a date.

How a step ends is written down as the outcome of its stage: with an id, with a `Stop`, or by a fault.
"""

import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from contextvars import ContextVar
from datetime import date
from typing import Concatenate, ParamSpec, TypeVar, cast

from nightloom.core.errors import BudgetError, NightloomError, SchemaError
from nightloom.core.nights import Stop, parse_night
from nightloom.core.stages import Stage
from nightloom.nightly.context import Night, open_night
from nightloom.registry.database import open_database
from nightloom.registry.night_lock import keeping_turn
from nightloom.registry.nights import begin_stage, read_outcome
from nightloom.registry.stages import finish_stage
from nightloom.registry.store import open_store

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

_is_recorded: ContextVar[bool] = ContextVar("is_recorded", default=True)


@contextmanager
def without_outcome() -> Iterator[None]:
    """Let steps be run beside the night that they belong to: what they come to is not what the night came to."""
    before = _is_recorded.set(False)
    try:
        yield
    finally:
        _is_recorded.reset(before)


def night_step(
    stage: Stage, *, first: bool = False
) -> Callable[[Callable[Concatenate[Night, P], R]], Callable[Concatenate[str, str, P], R | Stop]]:
    """Make a function of a night a step of a stage, called with the recipe's name, the night's date and its arguments.

    Nights of a recipe take turns in all stages but the report. A source whose columns are not what the recipe asks for
    is no fault: the batch is refused. So is training that would take more than its budget; a stage that was refused
    stays so, whatever becomes of the steps that were at work beside the one that was.

    Args:
        stage: The stage that the step belongs to.
        first: The stage begins with it.
    """

    def decorate(function: Callable[Concatenate[Night, P], R]) -> Callable[Concatenate[str, str, P], R | Stop]:
        @functools.wraps(function)
        def run(recipe: str, night: str, *args: P.args, **kwargs: P.kwargs) -> R | Stop:
            when = parse_night(night)
            with _taking_turns(stage, recipe, when):
                if first and _is_recorded.get():
                    begin_stage(open_database(), recipe, when, stage)
                try:
                    opened = open_night(recipe, when, is_recorded=_is_recorded.get())
                    result: R | Stop = function(opened, *args, **kwargs)
                except (BudgetError, SchemaError) as error:
                    result = Stop("refused", str(error))
                except Exception as error:
                    message = str(error) if isinstance(error, NightloomError) else f"{type(error).__name__}: {error}"
                    # The registry may be the very thing that failed: the step's own error is the one to show.
                    with suppress(NightloomError):
                        _end_as_failed(recipe, when, stage, message)
                    raise
                if isinstance(result, Stop):
                    logger.info("%s of night %s stops here: %s", stage, night, result.sentence)
                    opened.end(stage, result.status, result.sentence)
                return result

        return cast("Callable[Concatenate[str, str, P], R | Stop]", run)

    return decorate


@contextmanager
def _taking_turns(stage: Stage, recipe: str, night: date) -> Iterator[None]:
    """Keep the night's turn; a report is written at any time, also of a night that hangs."""
    has_turn = stage != "report" and _is_recorded.get()
    with keeping_turn(open_database(), recipe, night) if has_turn else nullcontext():
        yield


def _end_as_failed(recipe: str, night: date, stage: Stage, message: str) -> None:
    if not _is_recorded.get():
        return
    outcome = read_outcome(open_database(), recipe, night, stage)
    if outcome is None or outcome.status != "refused":
        finish_stage(open_store(), open_database(), recipe, night, stage, "failed", message)
