"""Expectations: our own Great Expectations classes, for chats, personal data, tokens and drift between nights.

Importing this module registers them with the library under their names in snake case, so that suites can use them. All
suites run on pandas.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import polars as pl
from great_expectations.core.suite_parameters import SuiteParameterDict
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import (
    ColumnAggregateExpectation,
    ColumnMapExpectation,
    MulticolumnMapExpectation,
)
from great_expectations.expectations.metrics import (
    ColumnAggregateMetricProvider,
    ColumnMapMetricProvider,
    column_aggregate_value,
    column_condition_partial,
)
from great_expectations.expectations.metrics.map_metric_provider import MulticolumnMapMetricProvider
from great_expectations.expectations.metrics.map_metric_provider.multicolumn_condition_partial import (
    multicolumn_condition_partial,
)

from nightloom.scanners.pii import find_pii, may_hold_pii
from nightloom.validation.limits import has_usual_volume, measure_distance, measure_volume, resembles
from nightloom.validation.tokens import find_unfit

_TURNS = ("user", "assistant")


class ColumnValuesAlternateRoles(ColumnMapMetricProvider):
    """Whether the roles of each value's turns alternate."""

    condition_metric_name = "column_values.alternate_roles"

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column: Any, **_: Any) -> Any:  # noqa: N805  # the library makes it a class method
        return column.map(_alternates).astype(bool)


class ExpectColumnValuesToAlternateRoles(ColumnMapExpectation):
    """Expect the turns before the last question to alternate between user and assistant, after system messages."""

    map_metric = "column_values.alternate_roles"


class ColumnValuesHoldNoPii(ColumnMapMetricProvider):
    """Whether each value, a text or turns, is free of personal data."""

    condition_metric_name = "column_values.hold_no_pii"

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column: Any, **_: Any) -> Any:  # noqa: N805
        if not isinstance(column.dtype, pd.StringDtype):
            return column.map(lambda turns: not any(find_pii(turn["content"]) for turn in turns)).astype(bool)
        texts = _as_texts(column)
        # One cheap pass over all texts selects the few that need the full search.
        holds = may_hold_pii(texts).to_numpy().copy()
        for index in holds.nonzero()[0]:
            holds[index] = bool(find_pii(texts[int(index)]))
        return _as_condition(column, ~holds)


class ExpectColumnValuesToHoldNoPii(ColumnMapExpectation):
    """Expect texts, or the turns of a history, to hold no personal data with a known pattern."""

    map_metric = "column_values.hold_no_pii"


class ColumnValuesNotBlank(ColumnMapMetricProvider):
    """Whether each text has more than white space."""

    condition_metric_name = "column_values.not_blank"

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column: Any, **_: Any) -> Any:  # noqa: N805
        return _as_condition(column, _as_texts(column).str.strip_chars() != "")


class ExpectColumnValuesToNotBeBlank(ColumnMapExpectation):
    """Expect texts to hold more than white space."""

    map_metric = "column_values.not_blank"


# The first of several lines may be indented.
_UNTRIMMED = r"\A(?:\n|\s[^\n]*\z)|\s\z"


class ColumnValuesTrimmed(ColumnMapMetricProvider):
    """Whether each text has no white space at its ends."""

    condition_metric_name = "column_values.trimmed"

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column: Any, **_: Any) -> Any:  # noqa: N805
        return _as_condition(column, ~_as_texts(column).str.contains(_UNTRIMMED))


class ExpectColumnValuesToBeTrimmed(ColumnMapExpectation):
    """Expect texts to neither begin nor end with white space, except for the indentation of several lines."""

    map_metric = "column_values.trimmed"


class MulticolumnValuesHoldAnAnswer(MulticolumnMapMetricProvider):
    """Whether at least one of the columns of each row holds text."""

    condition_metric_name = "multicolumn_values.hold_an_answer"
    condition_domain_keys = ("batch_id", "table", "column_list", "row_condition", "condition_parser", "ignore_row_if")

    @multicolumn_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column_list: Any, **_: Any) -> Any:  # noqa: N805
        return column_list.map(lambda value: isinstance(value, str) and bool(value.strip())).any(axis=1)


class ExpectConversationsToEndWithAssistant(MulticolumnMapExpectation):
    """Expect every conversation to end with an answer, in at least one of the answer's fields."""

    map_metric = "multicolumn_values.hold_an_answer"
    ignore_row_if: Any = "never"
    args_keys = ("column_list",)


class MulticolumnValuesFitTokenBudget(MulticolumnMapMetricProvider):
    """Whether each conversation has no more tokens than the budget."""

    condition_metric_name = "multicolumn_values.fit_token_budget"
    condition_domain_keys = MulticolumnValuesHoldAnAnswer.condition_domain_keys
    condition_value_keys = ("budget", "bound")

    @multicolumn_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column_list: Any, budget: Any = None, bound: Any = None, **_: Any) -> Any:  # noqa: N805
        return _all_but(column_list, find_unfit(column_list, budget, bound).too_long)


class ExpectConversationsToFitTokenBudget(MulticolumnMapExpectation):
    """Expect whole conversations, as prompt and chat template render them, to have no more tokens than the budget."""

    budget: dict[str, Any] | SuiteParameterDict | None
    bound: dict[str, Any] | SuiteParameterDict | None = None

    map_metric = "multicolumn_values.fit_token_budget"
    ignore_row_if: Any = "never"
    args_keys = ("column_list",)
    success_keys: ClassVar[tuple[str, ...]] = ("mostly", "budget", "bound")


class MulticolumnValuesSurviveRoundTrip(MulticolumnMapMetricProvider):
    """Whether the tokens of each conversation decode to its exact text."""

    condition_metric_name = "multicolumn_values.survive_round_trip"
    condition_domain_keys = MulticolumnValuesHoldAnAnswer.condition_domain_keys
    condition_value_keys = ("budget", "bound")

    @multicolumn_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column_list: Any, budget: Any = None, bound: Any = None, **_: Any) -> Any:  # noqa: N805
        return _all_but(column_list, find_unfit(column_list, budget, bound).changed)


class ExpectConversationsToSurviveRoundTrip(MulticolumnMapExpectation):
    """Expect the tokens of whole conversations, as prompt and chat template render them, to decode to the same text."""

    budget: dict[str, Any] | SuiteParameterDict | None
    bound: dict[str, Any] | SuiteParameterDict | None = None

    map_metric = "multicolumn_values.survive_round_trip"
    ignore_row_if: Any = "never"
    args_keys = ("column_list",)
    success_keys: ClassVar[tuple[str, ...]] = ("mostly", "budget", "bound")


class ColumnOnlyValue(ColumnAggregateMetricProvider):
    """The only value of a column, such as a batch statistic."""

    metric_name = "column.only_value"

    @column_aggregate_value(engine=PandasExecutionEngine)
    def _pandas(cls, column: Any, **_: Any) -> Any:  # noqa: N805
        known = column.dropna()
        return known.iloc[0] if len(known) else None


class ColumnNewestTime(ColumnAggregateMetricProvider):
    """The newest of ISO times in UTC as text; empty values are ignored."""

    metric_name = "column.newest_time"

    @column_aggregate_value(engine=PandasExecutionEngine)
    def _pandas(cls, column: Any, **_: Any) -> Any:  # noqa: N805
        times = column[column.notna() & (column != "")]
        return times.max() if len(times) else None


class ExpectNewestTimeToBeFresh(ColumnAggregateExpectation):
    """Expect the newest time of a column to be at most so many hours before a moment."""

    hours: float | SuiteParameterDict
    moment: str | SuiteParameterDict

    metric_dependencies: ClassVar[tuple[str, ...]] = ("column.newest_time",)
    success_keys: ClassVar[tuple[str, ...]] = ("hours", "moment")

    def _validate(self, metrics: Mapping[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        newest = metrics["column.newest_time"]
        kwargs = self._get_success_kwargs()
        if newest is None:
            return {"success": False, "result": {"observed_value": None}}
        age = (datetime.fromisoformat(kwargs["moment"]) - datetime.fromisoformat(newest)).total_seconds() / 3600
        return {"success": age <= kwargs["hours"], "result": {"observed_value": round(age, 3)}}


class ExpectVolumeToResembleEarlierNights(ColumnAggregateExpectation):
    """Expect a count to be within factors of the median of earlier nights."""

    earlier: list[int] | SuiteParameterDict
    at_least: float | SuiteParameterDict | None = None
    at_most: float | SuiteParameterDict | None = None

    metric_dependencies: ClassVar[tuple[str, ...]] = ("column.only_value",)
    success_keys: ClassVar[tuple[str, ...]] = ("earlier", "at_least", "at_most")

    def _validate(self, metrics: Mapping[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        rows, kwargs = metrics["column.only_value"], self._get_success_kwargs()
        rows, earlier = int(rows or 0), kwargs["earlier"]
        factor = measure_volume(rows, earlier)
        return {
            "success": has_usual_volume(rows, earlier, kwargs.get("at_least"), kwargs.get("at_most")),
            "result": {"observed_value": None if factor is None else round(factor, 4)},
        }


class ExpectDistributionToResembleLastSnapshot(ColumnAggregateExpectation):
    """Expect counts by value to be distributed as in the last snapshot, up to a total variation distance."""

    earlier: dict[str, int] | SuiteParameterDict
    at_most: float | SuiteParameterDict

    metric_dependencies: ClassVar[tuple[str, ...]] = ("column.only_value",)
    success_keys: ClassVar[tuple[str, ...]] = ("earlier", "at_most")

    def _validate(self, metrics: Mapping[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        counts, kwargs = metrics["column.only_value"] or {}, self._get_success_kwargs()
        distance = measure_distance(counts, kwargs["earlier"])
        return {
            "success": resembles(counts, kwargs["earlier"], kwargs["at_most"]),
            "result": {"observed_value": None if distance is None else round(distance, 4)},
        }


def _all_but(rows: Any, indices: Sequence[int]) -> Any:
    met = np.ones(len(rows), dtype=bool)
    met[list(indices)] = False
    return pd.Series(met, index=rows.index)


def _alternates(turns: Sequence[Mapping[str, str]]) -> bool:
    roles = [turn["role"] for turn in turns]
    begin = next((index for index, role in enumerate(roles) if role != "system"), len(roles))
    turns_of_chat = roles[begin:]
    # The user's last question follows, so the assistant must be the last one here.
    return len(turns_of_chat) % 2 == 0 and all(role == _TURNS[index % 2] for index, role in enumerate(turns_of_chat))


def _as_texts(column: Any) -> pl.Series:
    return pl.Series(column).cast(pl.String)


def _as_condition(column: Any, met: Any) -> Any:
    return pd.Series(np.asarray(met, dtype=bool), index=column.index)
