"""How a step of the night ends: with an id, with a `Stop`, or by a fault; the registry hears of all three."""

import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import date
from typing import Any, TypeVar, cast

from nightloom.core.errors import BudgetError, NightloomError, SchemaError
from nightloom.core.nights import Stop, parse_night
from nightloom.registry.database import open_database
from nightloom.registry.nights import Stage, Status, begin_stage, end_stage, read_outcome

logger = logging.getLogger(__name__)


_written: ContextVar[bool] = ContextVar("_written", default=True)


@contextmanager
def without_outcome() -> Iterator[None]:
    """Let steps be run beside the night that they belong to: what they come to is not what the night came to."""
    before = _written.set(False)
    try:
        yield
    finally:
        _written.reset(before)


Step = TypeVar("Step", bound=Callable[..., Any])
"""A function whose first parameters are `recipe` and `night`; it gives ids, numbers or a Stop."""


def night_step(stage: Stage, *, first: bool = False) -> Callable[[Step], Step]:
    """Make a function of recipe and night a step of a stage: its Stop or fault is written down as the outcome.

    A source whose columns are not what the recipe asks for is no fault: the batch is refused. So is training that
    would take more than its budget; a stage that was refused stays so, whatever becomes of the steps that were at work
    beside the one that was.

    Args:
        stage: The stage that the step belongs to.
        first: The stage begins with it.
    """

    def decorate(function: Step) -> Step:
        @functools.wraps(function)
        def run(recipe: str, night: str, *args: Any, **kwargs: Any) -> Any:
            night_date = parse_night(night)
            if first and _written.get():
                begin_stage(open_database(), recipe, night_date, stage)
            try:
                result = function(recipe, night, *args, **kwargs)
            except (BudgetError, SchemaError) as error:
                result = Stop("refused", str(error))
            except Exception as error:
                sentence = str(error) if isinstance(error, NightloomError) else f"{type(error).__name__}: {error}"
                # The registry may be the very thing that failed: the step's own error is the one to show.
                with suppress(NightloomError):
                    _end_as_failed(recipe, night_date, stage, sentence)
                raise
            if isinstance(result, Stop):
                logger.info("%s of night %s stops here: %s", stage, night, result.sentence)
                _write(recipe, night_date, stage, result.status, result.sentence)
            return result

        return cast("Step", run)

    return decorate


def _end_as_failed(recipe: str, night: date, stage: Stage, sentence: str) -> None:
    outcome = read_outcome(open_database(), recipe, night, stage)
    if outcome is None or outcome.status != "refused":
        _write(recipe, night, stage, "failed", sentence)


def _write(recipe: str, night: date, stage: Stage, status: Status, sentence: str) -> None:
    if _written.get():
        end_stage(open_database(), recipe, night, stage, status, sentence)
