"""Suite validator: run one Great Expectations suite, built once, over any number of parts.

Expectations on single rows are validated part by part. Expectations on a whole column or on the table are validated
once, on the columns that they name, and those on batch statistics on one row. The cuts between parts do not matter.
"""

import gc
import math
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
from nightloom.validation.limits import format_number
from nightloom.validation.suites import Suite

Parts = Callable[[], Iterable[pl.DataFrame]]
"""Reads all parts of a frame, each time that it is called."""

# Other expectations are validated on whole columns. This is right for all, but needs memory for the whole column.
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

# Row indices instead of ids, because the library looks ids up one by one; and no values of rows.
_FORMAT = {"result_format": "COMPLETE", "exclude_unexpected_values": True, "partial_unexpected_count": 0}
_COUNTS_ONLY = {**_FORMAT, "result_format": "BASIC"}


@dataclass(frozen=True, slots=True)
class Result:
    """Result of one expectation."""

    suite: str
    name: str
    kwargs: Mapping[str, Any]
    meta: Mapping[str, Any]
    critical: bool  # a warning is counted and has no other effect
    success: bool
    rows: int | None  # validated rows, or None if the expectation is on the whole batch
    unexpected: int  # failed rows; for the whole batch, 1 if it failed
    measured: float | None  # value of the whole batch, if it is a number
    failing: pl.DataFrame | None  # ids of the failed rows, or None if the expectation is on the whole batch

    @property
    def column(self) -> str | None:
        """The expectation's column, or None if it has no single column."""
        return self.kwargs.get("column")

    @property
    def expectation(self) -> Expectation:
        """The result in the form of a manifest."""
        return Expectation(
            suite=self.suite,
            name=self.name,
            column=self.column,
            success=self.success,
            unexpected=self.unexpected,
            measured=None if self.measured is None else round(self.measured, 6),
            limit=None if self.measured is None else _format_limit(self.kwargs),
        )


@dataclass(slots=True)
class _Task:
    """One expectation of a suite, and its results so far."""

    index: int
    config: Any
    critical: bool
    mostly: float
    scope: Literal["rows", "column", "batch"]
    rows: int = 0
    unexpected: int = 0
    failing: list[pl.DataFrame] = field(default_factory=list)
    success: bool = True
    measured: float | None = None
    by_row: bool = False


class SuiteRun:
    """A run of one suite over the parts of a frame.

    Args:
        suite: The expectations.
        ids: Columns that identify a row, to collect the failed ones. Without any, failed rows are only counted.
        stats: Names of the batch statistics that `finish` will get.
        parameters: Values of `$PARAMETER` in the suite.

    Raises:
        InputError: The suite holds an unknown or invalid expectation.
    """

    def __init__(
        self,
        suite: Suite,
        *,
        ids: Sequence[str] = (),
        stats: Iterable[str] = (),
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        self.suite = suite
        self._ids = list(ids)
        stats = set(stats)
        self._tasks = [
            _build_task(suite, index, one, stats, parameters or {}) for index, one in enumerate(suite.expectations)
        ]

    def validate_part(self, part: pl.DataFrame) -> None:
        """Validate the expectations on single rows.

        Raises:
            InputError: The suite names a missing column, or cannot be run.
            ChildError: The process that counts tokens was killed.
        """
        self._validate(self._select("rows"), part, _FORMAT if self._ids else _COUNTS_ONLY)

    def finish(self, parts: Parts, stats: Mapping[str, Any] | None = None) -> list[Result]:
        """Validate the expectations on the whole, and return one result for each expectation, in the suite's order.

        Args:
            parts: Reads the parts again; called only if whole columns are needed.
            stats: Batch statistics by the names given before.

        Raises:
            InputError: The suite names a missing column, or cannot be run.
        """
        if whole := self._select("column"):
            frame = _read_columns(parts(), self._ids, [task.config.kwargs for task in whole])
            self._validate(whole, frame, _FORMAT if self._ids else _COUNTS_ONLY)
        if batch := self._select("batch"):
            self._validate(batch, stats or {}, _COUNTS_ONLY)
            for task in batch:
                if task.measured is None:
                    task.measured = _as_number((stats or {}).get(task.config.kwargs.get("column")))
        return [self._build_result(task) for task in self._tasks]

    def _select(self, scope: str) -> list[_Task]:
        return [task for task in self._tasks if task.scope == scope]

    def _validate(self, tasks: Sequence[_Task], rows: pl.DataFrame | Mapping[str, Any], result_format: Any) -> None:
        if not tasks:
            return
        known = rows.columns if isinstance(rows, pl.DataFrame) else list(rows)
        for found in _run_library([task.config for task in tasks], rows, result_format):
            if found.exception_info.get("raised_exception", True):
                kind, reason = _explain(found.exception_info)
                name = found.expectation_config.type
                msg = f"suite {self.suite.name!r} cannot be run: {name} {reason}; known columns: {known}"
                raise kind(msg)
            task = self._tasks[found.expectation_config.meta["index"]]
            _add(task, found, rows.select(self._ids) if isinstance(rows, pl.DataFrame) and self._ids else None)

    def _build_result(self, task: _Task) -> Result:
        by_row = task.by_row and task.scope != "batch"
        success = task.success
        if task.by_row:
            success = not task.rows or (task.rows - task.unexpected) / task.rows >= task.mostly
        return Result(
            suite=self.suite.name,
            name=task.config.type,
            kwargs={name: value for name, value in task.config.kwargs.items() if name != "batch_id"},
            meta={name: value for name, value in task.config.meta.items() if name != "index"},
            critical=task.critical,
            success=success,
            rows=task.rows if by_row else None,
            unexpected=task.unexpected if by_row else int(not success),
            measured=task.measured,
            failing=pl.concat(task.failing) if by_row and task.failing else None,
        )


def _format_limit(kwargs: Mapping[str, Any]) -> str | None:
    bounds = [("at least", name) for name in ("min_value", "at_least")]
    bounds += [("at most", name) for name in ("max_value", "at_most", "hours")]
    texts = [f"{word} {format_number(kwargs[name])}" for word, name in bounds if isinstance(kwargs.get(name), Real)]
    return " and ".join(texts) or None


def _build_task(suite: Suite, index: int, given: Any, stats: set[str], parameters: Mapping[str, Any]) -> _Task:
    """Build one expectation. The library's own suites would log an invalid expectation and skip it."""
    from great_expectations.exceptions import GreatExpectationsError
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    import nightloom.validation.expectations  # noqa: F401  # registers ours

    try:
        # Results come back in another order, so each carries its index.
        config = ExpectationConfiguration(**{**given, "meta": {**given.get("meta", {}), "index": index}})
        config.process_suite_parameters(dict(parameters))
        expectation = config.to_domain_obj()
    except (GreatExpectationsError, AttributeError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        msg = f"expectation {index + 1} of suite {suite.name!r} is invalid: {reason}; correct it"
        raise InputError(msg) from error
    columns = _columns_of(config.kwargs)
    scope: Literal["rows", "column", "batch"] = "column"
    if columns and stats.issuperset(columns):
        scope = "batch"
    elif config.type in _BY_ROW:
        scope = "rows"
    return _Task(index, config, config.severity == "critical", float(getattr(expectation, "mostly", 1)), scope)


def _columns_of(kwargs: Mapping[str, Any]) -> list[str]:
    single = [kwargs[name] for name in ("column", "column_A", "column_B") if name in kwargs]
    return [*single, *kwargs.get("column_list", ())]


def _read_columns(
    parts: Iterable[pl.DataFrame], ids: Sequence[str], all_kwargs: Sequence[Mapping[str, Any]]
) -> pl.DataFrame:
    """Return all parts with the columns that expectations name, sorted by id; other columns are null."""
    texts = [text for kwargs in all_kwargs for text in _texts_in(kwargs)]
    frames = []
    for part in parts:
        # A row condition names its columns somewhere inside.
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


def _run_library(configs: Sequence[Any], rows: pl.DataFrame | Mapping[str, Any], result_format: Any) -> list[Any]:
    """Validate a frame, or one row of batch statistics.

    This uses the library's validator directly: its batches hash each frame twice, which takes longer than validation.
    """
    import pandas as pd
    from great_expectations.execution_engine import PandasExecutionEngine
    from great_expectations.validator.validator import Validator

    if isinstance(rows, pl.DataFrame):
        texts = [text for config in configs for text in _texts_in(config.kwargs)]
        needs_table = any(not _columns_of(config.kwargs) for config in configs)
        frame = rows.select(
            name for name in rows.columns if needs_table or any(name in text for text in texts)
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
    """Free reference cycles at once: the library's cycles hold whole frames, and Python would let many pile up."""
    was_enabled = gc.isenabled()
    # Without collections meanwhile all new objects stay in the youngest generation, which is cheap to collect.
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
    """Add the result of one frame."""
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
    # Any other value might be the text of a row.
    return float(value) if isinstance(value, Real) and math.isfinite(value) else None


_ALL_TEXT = (
    "all columns hold text: check it by a regex, a length or a set, and the newest time by "
    "expect_newest_time_to_be_fresh"
)


def _explain(exception_info: Mapping[str, Any]) -> tuple[type[NightloomError], str]:
    """Return the error class and a reason. Messages of other libraries are left out, because they may quote a row."""
    detail = exception_info if "exception_message" in exception_info else next(iter(exception_info.values()))
    lines = str(detail["exception_traceback"]).splitlines()
    # The first error is the cause; the library wraps it into its own errors.
    raised = next((line for line in lines if line and not line.startswith((" ", "Traceback"))), "an error")
    package, _, cause = raised.partition(":")[0].rpartition(".")
    kind = getattr(errors, cause, InputError) if package == errors.__name__ else InputError
    if package.startswith(("great_expectations", "nightloom")):
        return kind, f"failed: {detail['exception_message']}"
    # Numbers and dates as limits of texts are the most frequent mistake.
    hint = f" ({_ALL_TEXT})" if cause == "TypeError" else ""
    return kind, f"raises {cause} for these rows{hint}"
