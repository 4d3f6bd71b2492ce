"""Judging: one suite of Great Expectations, built once, over any number of parts.

What speaks of single rows is judged part by part. What speaks of a whole column or of the table is judged once, on
the columns that it names; what speaks of facts, on one row of them. So it does not matter how rows are cut into parts.
"""

import gc
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from numbers import Real
from typing import Any, Literal

import polars as pl

from nightloom.artifacts.data import Expectation
from nightloom.core import errors
from nightloom.core.errors import InputError, NightloomError
from nightloom.validation.limits import spell_number
from nightloom.validation.suites import Suite

Parts = Callable[[], Iterable[pl.DataFrame]]
"""Gives the parts of a frame from the first one on, each time that it is called."""

# An expectation that is in neither of these is judged on whole columns: right for any, but not in flat memory.
_BY_ROW = frozenset(
    f"expect_column_{name}"
    for name in (
        *("value_lengths_to_be_between", "value_lengths_to_equal", "values_to_be_between", "values_to_be_in_set"),
        *("values_to_be_dateutil_parseable", "values_to_be_json_parseable", "values_to_match_json_schema"),
        *("values_to_be_null", "values_to_not_be_null", "values_to_not_be_in_set", "values_to_match_regex"),
        *("values_to_match_regex_list", "values_to_not_match_regex", "values_to_not_match_regex_list"),
        *("values_to_match_strftime_format", "pair_values_a_to_be_greater_than_b", "pair_values_to_be_equal"),
        *("pair_values_to_be_in_set", "values_to_alternate_roles", "values_to_hold_no_pii"),
        *("values_to_not_be_blank", "values_to_be_trimmed"),
    )
) | {
    "expect_conversations_to_end_with_assistant",
    "expect_conversations_to_fit_token_budget",
    "expect_conversations_to_survive_round_trip",
    "expect_multicolumn_sum_to_equal",
    "expect_multicolumn_values_to_be_equal",
    "expect_select_column_values_to_be_unique_within_record",
}

# Places of rows instead of their ids, which the library would look up one by one; and no value of any row.
_FORMAT = {"result_format": "COMPLETE", "exclude_unexpected_values": True, "partial_unexpected_count": 0}
_COUNTS_ONLY = {**_FORMAT, "result_format": "BASIC"}


@dataclass(frozen=True, slots=True)
class Result:
    """What one expectation came to."""

    suite: str
    name: str
    kwargs: Mapping[str, Any]
    meta: Mapping[str, Any]
    critical: bool  # a warning is counted and has no other effect
    success: bool
    rows: int | None  # that it asked; none: it speaks of the whole batch
    unexpected: int  # of those, how many failed; of the whole batch, 1 where it failed
    measured: float | None  # of the whole batch, where that is a number
    failing: pl.DataFrame | None  # ids of the rows that fail; none: it speaks of the whole batch

    @property
    def column(self) -> str | None:
        """The column that it speaks of, where it is one."""
        return self.kwargs.get("column")

    @property
    def expectation(self) -> Expectation:
        """The result as a manifest keeps it."""
        return Expectation(
            suite=self.suite,
            name=self.name,
            column=self.column,
            success=self.success,
            unexpected=self.unexpected,
            measured=None if self.measured is None else round(self.measured, 6),
            limit=None if self.measured is None else _spell_limit(self.kwargs),
        )


@dataclass(slots=True)
class _Task:
    """One expectation of a suite, and what its parts have come to."""

    place: int
    config: Any
    critical: bool
    mostly: float
    scope: Literal["rows", "column", "facts"]
    rows: int = 0
    unexpected: int = 0
    failing: list[pl.DataFrame] = field(default_factory=list)
    success: bool = True
    measured: float | None = None
    by_row: bool = False


class SuiteRun:
    """A suite that is being judged.

    Args:
        suite: What is expected.
        ids: Columns that name a row, to tell which ones fail; none: failing rows are only counted.
        facts: Names of the facts that `finish` will be given.
        parameters: What `$PARAMETER` stands for in the suite.

    Raises:
        InputError: The suite holds what is no known expectation.
    """

    def __init__(
        self,
        suite: Suite,
        *,
        ids: Sequence[str] = (),
        facts: Iterable[str] = (),
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        self.suite = suite
        self._ids = list(ids)
        facts = set(facts)
        with quietly():
            self._tasks = [
                _build_task(suite, place, one, facts, parameters or {}) for place, one in enumerate(suite.expectations)
            ]

    def judge_part(self, part: pl.DataFrame) -> None:
        """Judge what speaks of single rows.

        Raises:
            InputError: The suite speaks of a column that is not there, or cannot be judged.
            ChildError: The process that counts tokens was killed.
        """
        self._judge(self._select("rows"), part, _FORMAT if self._ids else _COUNTS_ONLY)

    def finish(self, parts: Parts, facts: Mapping[str, Any] | None = None) -> list[Result]:
        """Judge what speaks of the whole, and give one result for each expectation, in the suite's order.

        Args:
            parts: Gives the parts again; asked only where whole columns are needed.
            facts: What is known of the whole batch, under the names that were announced.

        Raises:
            InputError: The suite speaks of a column that is not there, or cannot be judged.
        """
        if whole := self._select("column"):
            frame = _read_columns(parts(), self._ids, [task.config.kwargs for task in whole])
            self._judge(whole, frame, _FORMAT if self._ids else _COUNTS_ONLY)
        if about := self._select("facts"):
            self._judge(about, facts or {}, _COUNTS_ONLY)
            for task in about:
                if task.measured is None:
                    task.measured = _as_number((facts or {}).get(task.config.kwargs.get("column")))
        return [self._conclude(task) for task in self._tasks]

    def _select(self, scope: str) -> list[_Task]:
        return [task for task in self._tasks if task.scope == scope]

    def _judge(self, tasks: Sequence[_Task], rows: pl.DataFrame | Mapping[str, Any], result_format: Any) -> None:
        if not tasks:
            return
        known = rows.columns if isinstance(rows, pl.DataFrame) else list(rows)
        for found in _ask_library([task.config for task in tasks], rows, result_format):
            if found.exception_info.get("raised_exception", True):
                kind, reason = _explain(found.exception_info)
                name = found.expectation_config.type
                msg = f"suite {self.suite.name!r} cannot be run: {name} {reason}; known columns: {known}"
                raise kind(msg)
            task = self._tasks[found.expectation_config.meta["place"]]
            _add(task, found, rows.select(self._ids) if isinstance(rows, pl.DataFrame) and self._ids else None)

    def _conclude(self, task: _Task) -> Result:
        by_row = task.by_row and task.scope != "facts"
        success = task.success
        if task.by_row:
            success = not task.rows or (task.rows - task.unexpected) / task.rows >= task.mostly
        return Result(
            suite=self.suite.name,
            name=task.config.type,
            kwargs={name: value for name, value in task.config.kwargs.items() if name != "batch_id"},
            meta={name: value for name, value in task.config.meta.items() if name != "place"},
            critical=task.critical,
            success=success,
            rows=task.rows if by_row else None,
            unexpected=task.unexpected if by_row else int(not success),
            measured=task.measured,
            failing=pl.concat(task.failing) if by_row and task.failing else None,
        )


@contextmanager
def quietly() -> Iterator[None]:
    """Keep the library's warnings to itself: of its imports and of pandas, nothing that a reader could mend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _spell_limit(kwargs: Mapping[str, Any]) -> str | None:
    bounds = [("at least", name) for name in ("min_value", "at_least")]
    bounds += [("at most", name) for name in ("max_value", "at_most", "hours")]
    spelled = [f"{word} {spell_number(kwargs[name])}" for word, name in bounds if isinstance(kwargs.get(name), Real)]
    return " and ".join(spelled) or None


def _build_task(suite: Suite, place: int, given: Any, facts: set[str], parameters: Mapping[str, Any]) -> _Task:
    """Build an expectation by itself: a suite of the library would log one that is wrong, and go on without it."""
    from great_expectations.exceptions import GreatExpectationsError
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    import nightloom.validation.expectations  # noqa: F401  # makes ours known

    try:
        # Results come back in another order: each is told its place.
        config = ExpectationConfiguration(**{**given, "meta": {**given.get("meta", {}), "place": place}})
        config.process_suite_parameters(dict(parameters))
        expectation = config.to_domain_obj()
    except (GreatExpectationsError, AttributeError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        msg = f"suite {suite.name!r} has an expectation, number {place + 1}, that is none: {reason}; correct it"
        raise InputError(msg) from error
    columns = _columns_of(config.kwargs)
    scope: Literal["rows", "column", "facts"] = "column"
    if columns and facts.issuperset(columns):
        scope = "facts"
    elif config.type in _BY_ROW:
        scope = "rows"
    return _Task(place, config, config.severity == "critical", float(getattr(expectation, "mostly", 1)), scope)


def _columns_of(kwargs: Mapping[str, Any]) -> list[str]:
    single = [kwargs[name] for name in ("column", "column_A", "column_B") if name in kwargs]
    return [*single, *kwargs.get("column_list", ())]


def _read_columns(
    parts: Iterable[pl.DataFrame], ids: Sequence[str], asked: Sequence[Mapping[str, Any]]
) -> pl.DataFrame:
    """Return the columns that expectations name, of all parts, in an order that no cut changes; others are empty."""
    texts = [text for kwargs in asked for text in _texts_in(kwargs)]
    frames = []
    for part in parts:
        # A condition names its columns inside a text.
        named = {name for name in part.columns if name in ids or any(name in text for text in texts)}
        frames.append(part.with_columns(pl.lit(None).alias(name) for name in part.columns if name not in named))
    frame = pl.concat(frames)
    return frame.sort(list(ids)) if ids else frame


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts_in(inner)
    elif isinstance(value, Sequence):
        for inner in value:
            yield from _texts_in(inner)


def _ask_library(configs: Sequence[Any], rows: pl.DataFrame | Mapping[str, Any], result_format: Any) -> list[Any]:
    """Judge a frame, or one row of facts.

    By the library's validator itself: its batches hash each frame twice, which takes longer than judging it.
    """
    import pandas as pd
    from great_expectations.execution_engine import PandasExecutionEngine
    from great_expectations.validator.validator import Validator

    with quietly():
        if isinstance(rows, pl.DataFrame):
            texts = [text for config in configs for text in _texts_in(config.kwargs)]
            asks_for_table = any(not _columns_of(config.kwargs) for config in configs)
            frame = rows.select(
                name for name in rows.columns if asks_for_table or any(name in text for text in texts)
            ).to_pandas()
        else:
            frame = pd.DataFrame([rows])
        with _free_of_cycles():
            engine = PandasExecutionEngine(batch_data_dict={"rows": frame})
            validator = Validator(execution_engine=engine, data_context=_open_context())
            found: list[Any] = validator.graph_validate(
                configurations=list(configs), runtime_configuration={"result_format": result_format}
            )
            del engine, validator, frame
    return found


@contextmanager
def _free_of_cycles() -> Iterator[None]:
    """Free what was left in cycles: the library's hold the whole frame, and Python would let many such wait."""
    was_enabled = gc.isenabled()
    # What is not collected meanwhile stays young, so that a look at all objects of the library is spared.
    gc.disable()
    try:
        yield
    finally:
        gc.collect(0)
        if was_enabled:
            gc.enable()


@cache
def _open_context() -> Any:
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False),
    )
    return gx.get_context(mode="ephemeral", project_config=config)


def _add(task: _Task, found: Any, ids: pl.DataFrame | None) -> None:
    """Add what one frame came to."""
    result = found.result
    task.by_row = result.keys() >= {"element_count", "unexpected_count"}
    task.success = bool(found.success)
    if task.by_row:
        task.rows += result["element_count"] - (result.get("missing_count") or 0)
        task.unexpected += result["unexpected_count"] or 0
        if ids is not None and task.critical:
            task.failing.append(ids[result.get("unexpected_index_list") or []])
    else:
        task.measured = _as_number(result.get("observed_value"))


def _as_number(value: Any) -> float | None:
    # Anything else might be the text of a row.
    return float(value) if isinstance(value, Real) and math.isfinite(value) else None


def _explain(exception_info: Mapping[str, Any]) -> tuple[type[NightloomError], str]:
    """Return whose fault an exception is, and its text if it is the library's or ours: others may quote a row."""
    detail = exception_info if "exception_message" in exception_info else next(iter(exception_info.values()))
    lines = str(detail["exception_traceback"]).splitlines()
    # The first one is the cause, of which the library makes errors of its own.
    raised = next((line for line in lines if line and not line.startswith((" ", "Traceback"))), "an error")
    package, _, cause = raised.partition(":")[0].rpartition(".")
    kind = getattr(errors, cause, InputError) if package == errors.__name__ else InputError
    is_shown = package.startswith(("great_expectations", "nightloom"))
    return kind, f"says: {detail['exception_message']}" if is_shown else f"raises {cause} for these rows"
