"""Steps: a decorator that turns a function of a night into a step, called with a recipe's name and a date.

The step records the outcome of its stage if it returns a `Stop` or fails.
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
from nightloom.nightly.context import Night, load_night
from nightloom.registry.database import open_database
from nightloom.registry.night_lock import holding_night_lock
from nightloom.registry.nights import begin_stage, read_outcome, require_night
from nightloom.registry.stages import finish_stage
from nightloom.registry.store import open_store

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

_is_recorded: ContextVar[bool] = ContextVar("is_recorded", default=True)


@contextmanager
def without_outcome() -> Iterator[None]:
    """Run steps without changing their night: no outcome is recorded, and the recipe is not locked."""
    before = _is_recorded.set(False)
    try:
        yield
    finally:
        _is_recorded.reset(before)


def night_step(
    stage: Stage, *, first: bool = False
) -> Callable[[Callable[Concatenate[Night, P], R]], Callable[Concatenate[str, str, P], R | Stop]]:
    """Turn a function of a night into a step of a stage, called with recipe name, date and its own arguments.

    Nights of a recipe exclude each other in all stages but the report. Two errors count as a refusal, not as a failure:
    the columns of a source do not match the recipe, or training would exceed its budget. A refused stage stays refused,
    even if a step that runs in parallel fails later. A night that was never opened is refused before anything is
    written.

    Args:
        stage: Stage that the step belongs to.
        first: Whether the stage begins with this step.
    """

    def decorate(function: Callable[Concatenate[Night, P], R]) -> Callable[Concatenate[str, str, P], R | Stop]:
        @functools.wraps(function)
        def run(recipe: str, night: str, *args: P.args, **kwargs: P.kwargs) -> R | Stop:
            when = parse_night(night)
            require_night(open_database(), recipe, when)
            with _locking_night(stage, recipe, when):
                if first and _is_recorded.get():
                    begin_stage(open_database(), recipe, when, stage)
                try:
                    opened = load_night(recipe, when, is_recorded=_is_recorded.get())
                    result: R | Stop = function(opened, *args, **kwargs)
                except (BudgetError, SchemaError) as error:
                    result = Stop("refused", str(error))
                except Exception as error:
                    message = str(error) if isinstance(error, NightloomError) else f"{type(error).__name__}: {error}"
                    # The registry itself may have failed: the error of the step is the one to show.
                    with suppress(NightloomError):
                        _end_as_failed(recipe, when, stage, message)
                    raise
                if isinstance(result, Stop):
                    logger.info("%s of night %s stops: %s", stage, night, result.message)
                    opened.end(stage, result.status, result.message, result.manifest)
                return result

        return cast("Callable[Concatenate[str, str, P], R | Stop]", run)

    return decorate


@contextmanager
def _locking_night(stage: Stage, recipe: str, night: date) -> Iterator[None]:
    """Hold the night lock during a step. A report needs no lock: it is written even if the night hangs."""
    is_locking = stage != "report" and _is_recorded.get()
    with holding_night_lock(open_database(), recipe, night) if is_locking else nullcontext():
        yield


def _end_as_failed(recipe: str, night: date, stage: Stage, message: str) -> None:
    if not _is_recorded.get():
        return
    outcome = read_outcome(open_database(), recipe, night, stage)
    if outcome is None or outcome.status != "refused":
        finish_stage(open_store(), open_database(), recipe, night, stage, "failed", message)
