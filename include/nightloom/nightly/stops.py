"""How a step of the night ends: with an id, with a `Stop`, or by a fault; the registry hears of all three."""

import functools
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, cast

from nightloom.core.errors import BudgetError, NightloomError, SchemaError
from nightloom.core.nights import parse_night
from nightloom.registry.database import open_database
from nightloom.registry.nights import Stage, begin_stage, end_stage

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stop:
    """A stage ends here without a fault: there is nothing to do, or what there is was refused."""

    status: Literal["nothing_new", "refused"]
    sentence: str


Step = TypeVar("Step", bound=Callable[..., str | Stop])
"""A function whose first parameters are `recipe` and `night`."""


def night_step(stage: Stage, *, first: bool = False) -> Callable[[Step], Step]:
    """Make a function of recipe and night a step of a stage: its Stop or fault is written down as the outcome.

    A source whose columns are not what the recipe asks for is no fault: the batch is refused. So is training that
    would take more than its budget.

    Args:
        stage: The stage that the step belongs to.
        first: The stage begins with it.
    """

    def decorate(function: Step) -> Step:
        @functools.wraps(function)
        def run(recipe: str, night: str, *args: Any, **kwargs: Any) -> str | Stop:
            date = parse_night(night)
            if first:
                begin_stage(open_database(), recipe, date, stage)
            try:
                result = function(recipe, night, *args, **kwargs)
            except (BudgetError, SchemaError) as error:
                result = Stop("refused", str(error))
            except Exception as error:
                sentence = str(error) if isinstance(error, NightloomError) else f"{type(error).__name__}: {error}"
                # The registry may be the very thing that failed: the step's own error is the one to show.
                with suppress(NightloomError):
                    end_stage(open_database(), recipe, date, stage, "failed", sentence)
                raise
            if isinstance(result, Stop):
                logger.info("%s of night %s stops here: %s", stage, night, result.sentence)
                end_stage(open_database(), recipe, date, stage, result.status, result.sentence)
            return result

        return cast("Step", run)

    return decorate
