"""Checks: run a night's suites over records and examples, and act on failures.

A row that fails the recipe's own suite goes to quarantine. A batch that fails is refused with a message. A warning is
only counted.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import polars as pl

from nightloom.artifacts.data import Expectation, TokenBudget
from nightloom.artifacts.frames import FAILURES
from nightloom.artifacts.reading import keep_newest
from nightloom.recipes.preparation import Prepare
from nightloom.recipes.schema import AnswerField
from nightloom.rendering.token_budget import TokenBound
from nightloom.validation.batch_stats import (
    RECORD_STATS,
    ExampleStats,
    RecordStats,
    answer_column,
    spread_answers,
)
from nightloom.validation.limits import FIRST_NIGHT, Earlier, format_number, list_example_limits, list_record_limits
from nightloom.validation.suite_validator import Parts, Result, SuiteRun
from nightloom.validation.suites import Suite, load_suite

Answer = Mapping[str, AnswerField]
Severity = Literal["critical", "warning"]

# A warning, so that no one can stop a night with a text that the two searches read differently.
_NO_PII = {
    "type": "expect_column_values_to_hold_no_pii",
    "kwargs": {"column": "text"},
    "severity": "warning",
}
# Warnings, because people may have released such rows.
_TOKENS = ("expect_conversations_to_fit_token_budget", "expect_conversations_to_survive_round_trip")
# Rows with a fault have their reason already.
_IS_USABLE = pl.col("fault").is_null()
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class Validation:
    """Results of the suites."""

    results: tuple[Result, ...]
    refusal: str | None  # why the whole batch is refused, or None if it passed
    failures: pl.DataFrame  # rows to be quarantined (FAILURES)
    labels: dict[str, dict[str, int]] = field(default_factory=dict)  # number of examples by closed field and value
    text_lengths: dict[str, int] = field(default_factory=dict)  # number of examples, see `ExampleStats.text_lengths`

    @property
    def expectations(self) -> tuple[Expectation, ...]:
        """The results in the form of a manifest."""
        return tuple(result.expectation for result in self.results)


def validate_records(
    parts: Parts,
    answer: Answer,
    settings: Prepare,
    folder: Path,
    *,
    cut_to: datetime,
    cut_days: int = 1,
    new_rows: int | None = None,
    tokens: TokenBudget | None = None,
    earlier: Earlier = FIRST_NIGHT,
) -> Validation:
    """Validate the newest version of each record as received, except those that their source shows to be unusable.

    Args:
        parts: Reads the parts of the rows as received (RECORDS); all versions of a row are in one part. They are read
            once, and again if the recipe's own suite validates whole columns.
        answer: Fields of the answer, and the values that they may have.
        settings: Thresholds and limits, and the name of the recipe's own suite.
        folder: Folder of the suites.
        cut_to: End of the night's cut.
        cut_days: Days in the night's cut.
        new_rows: Number of rows in the night's cut, or None if unknown.
        tokens: Token budget for the recipe's own suite, or None if the base model has no tokenizer.
        earlier: Statistics of earlier nights.

    Raises:
        InputError: A suite is missing or invalid.
    """
    parameters = _name_parameters(settings, tokens)
    ids = ("row_id", "version")
    suites = [_with_answers("records", folder, answer, "warning")]
    if settings.suite is not None:
        suites.append(load_suite(settings.suite, folder))
    runs = [SuiteRun(suite, ids=ids, stats=RECORD_STATS, parameters=parameters) for suite in suites]
    counts = RecordStats(answer)
    for part in parts():
        newest = spread_answers(keep_newest(part), answer)
        counts.add(part, newest)
        for run in runs:
            run.validate_part(newest.filter(_IS_USABLE))
    stats = counts.as_dict(new_rows)

    def read_again() -> Iterator[pl.DataFrame]:
        return (spread_answers(keep_newest(part).filter(_IS_USABLE), answer) for part in parts())

    rows = [result for run in runs for result in run.finish(read_again, stats)]
    limits = list_record_limits(settings.limits, earlier, cut_to, cut_days)
    batch = _validate_batch("records_batch", folder, limits, stats, parameters)
    failed = _list_failed(batch, rows)
    return Validation(
        results=(*rows, *batch),
        refusal=_refuse([result for result in failed if result.failing is None], {**stats, **parameters}),
        failures=_name_rows([result for result in failed if result.failing is not None]),
    )


def validate_examples(
    parts: Parts,
    answer: Answer,
    settings: Prepare,
    folder: Path,
    *,
    tokens: TokenBudget | None = None,
    bound: TokenBound | None = None,
    earlier: Earlier = FIRST_NIGHT,
) -> Validation:
    """Validate the examples before they are frozen; a row that fails refuses the batch.

    Args:
        parts: Reads the parts of the examples (EXAMPLES), cut in any way.
        answer: Fields of the answer, and the values that they may have.
        settings: Thresholds and limits.
        folder: Folder of the suites.
        tokens: Token budget, or None if the base model has no tokenizer.
        bound: How bytes limit tokens, as curation found, or None if unknown.
        earlier: Statistics of earlier nights.

    Raises:
        InputError: A suite is missing or invalid.
    """
    parameters = _name_parameters(settings, tokens)
    suite = _expect_cleaning(_with_answers("examples", folder, answer, "critical"), settings)
    if tokens is not None:
        suite = _expect_tokens(suite, tokens, bound)
    run = SuiteRun(suite, ids=("row_id",), parameters=parameters)
    counts = ExampleStats(answer)
    for part in parts():
        spread = spread_answers(part, answer)
        counts.add(spread)
        run.validate_part(spread)
    rows = run.finish(lambda: (spread_answers(part, answer) for part in parts()))
    stats = counts.as_dict()
    limits = list_example_limits(settings.limits, earlier, answer)
    batch = _validate_batch("examples_batch", folder, limits, stats, parameters)
    return Validation(
        results=(*rows, *batch),
        refusal=_refuse(_list_failed(batch, rows), {**stats, **parameters}),
        failures=pl.DataFrame(schema=FAILURES),
        labels=counts.labels,
        text_lengths=counts.text_lengths,
    )


def _with_answers(name: str, folder: Path, answer: Answer, severity: Severity) -> Suite:
    """Load a standard suite, and add the expectations of each field of the answer."""
    suite = load_suite(name, folder)
    expected: list[dict[str, Any]] = []
    for field_name, field_ in answer.items():
        column = {"column": answer_column(field_name)}
        expected.append({"type": "expect_column_values_to_not_be_null", "kwargs": column, "severity": severity})
        if field_.one_of:
            kwargs = {**column, "value_set": list(field_.one_of)}
            expected.append({"type": "expect_column_values_to_be_in_set", "kwargs": kwargs, "severity": severity})
    return Suite(suite.name, (*suite.expectations, *expected))


def _expect_cleaning(suite: Suite, settings: Prepare) -> Suite:
    """Leave out expectations of disabled operations, and add the one of redaction."""
    asked = [
        expected
        for expected in suite.expectations
        if expected.get("meta", {}).get("normalise") in (None, *settings.normalise.operations)
    ]
    return Suite(suite.name, (*asked, *([_NO_PII] if settings.pii != "keep" else [])))


def _expect_tokens(suite: Suite, tokens: TokenBudget, bound: TokenBound | None) -> Suite:
    """Add the expectations of the examples as the base model's tokenizer encodes them."""
    kwargs = {
        "column_list": ["text", "history", "answer"],
        "budget": tokens.model_dump(mode="json"),
        "bound": bound.model_dump(mode="json") if bound else None,
    }
    expected = [{"type": name, "kwargs": kwargs, "severity": "warning"} for name in _TOKENS]
    return Suite(suite.name, (*suite.expectations, *expected))


def _name_parameters(settings: Prepare, tokens: TokenBudget | None) -> dict[str, Any]:
    """Return the values of `$PARAMETER` in every suite."""
    return {
        "max_characters": settings.max_characters,
        "min_rows": settings.min_rows,
        "token_budget": tokens.model_dump(mode="json") if tokens else None,
    }


def _validate_batch(
    name: str,
    folder: Path,
    limits: Sequence[dict[str, Any]],
    stats: Mapping[str, Any],
    parameters: Mapping[str, Any],
) -> list[Result]:
    """Validate batch statistics by a standard suite and the recipe's limits."""
    suite = load_suite(name, folder)
    run = SuiteRun(Suite(suite.name, (*suite.expectations, *limits)), stats=stats, parameters=parameters)
    return run.finish(list, stats)


def _list_failed(batch: Sequence[Result], rows: Sequence[Result]) -> list[Result]:
    return [result for result in (*batch, *rows) if result.critical and not result.success]


def _refuse(failed: Sequence[Result], values: Mapping[str, Any]) -> str | None:
    """Return the refusal message of the first failed result, or None if none failed."""
    if not failed:
        return None
    first = failed[0].expectation
    measured = "nothing" if first.measured is None else format_number(first.measured)
    values = {**values, "measured": measured, "limit": first.limit}
    if "refusal" in failed[0].meta:
        # Replaced by name only: people write suites, and a real template could read more than these values.
        return _PLACEHOLDER.sub(lambda match: str(values.get(match[1], match[0])), str(failed[0].meta["refusal"]))
    about = f" for column {first.column!r}" if first.column else ""
    if first.limit is None or first.measured is None:
        return f"{first.name} of suite {first.suite!r} failed{about}, {first.unexpected} times"
    return f"{first.name} of suite {first.suite!r} failed{about}: measured {measured}, required {first.limit}"


def _name_rows(failed: Sequence[Result]) -> pl.DataFrame:
    """Return each failing row once, with the first reason."""
    frames = [pl.DataFrame(schema=FAILURES)]
    for result in failed:
        if result.failing is not None:
            reason = {"rule": result.name, "measured": result.column, "threshold": f"suite {result.suite}"}
            columns = [pl.lit(value, pl.String).alias(name) for name, value in reason.items()]
            frames.append(result.failing.with_columns(columns))
    return pl.concat(frames).unique(["row_id", "version"], keep="first", maintain_order=True).sort("row_id", "version")
