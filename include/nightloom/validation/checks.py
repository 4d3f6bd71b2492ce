"""Checks: the suites of the night, before and after formatting, and what follows from a failure.

A failed row of a recipe's own suite goes to quarantine; a failed batch is refused, in one sentence; a warning is
counted.
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
from nightloom.recipes.schema import AnswerField, Prepare
from nightloom.rendering.token_budget import TokenBound
from nightloom.validation.batch_stats import (
    RECORD_FACTS,
    ExampleTally,
    RecordTally,
    answer_column,
    spread_answers,
)
from nightloom.validation.limits import FIRST_NIGHT, Earlier, list_example_limits, list_record_limits, spell_number
from nightloom.validation.suite_validator import Parts, Result, SuiteRun
from nightloom.validation.suites import Suite, load_suite

Answer = Mapping[str, AnswerField]
Severity = Literal["critical", "warning"]

# Counted only: whoever finds a text that two searches read differently must not be able to stop a night with it.
_NO_PII = {
    "type": "expect_column_values_to_hold_no_pii",
    "kwargs": {"column": "text"},
    "severity": "warning",
}
# Counted only: a person may have released such a row.
_TOKENS = ("expect_conversations_to_fit_token_budget", "expect_conversations_to_survive_round_trip")
_FACT = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class Validation:
    """What the suites said."""

    results: tuple[Result, ...]
    refusal: str | None  # why the whole batch is refused
    failures: pl.DataFrame  # rows to be quarantined (FAILURES)
    labels: dict[str, dict[str, int]] = field(default_factory=dict)  # of examples, by closed field and value
    text_lengths: dict[str, int] = field(default_factory=dict)  # of examples, see `ExampleTally.text_lengths`

    @property
    def expectations(self) -> tuple[Expectation, ...]:
        """The results as a manifest keeps them."""
        return tuple(result.expectation for result in self.results)


def validate_records(
    parts: Parts,
    answer: Answer,
    settings: Prepare,
    folder: Path,
    *,
    cut_to: datetime,
    new_rows: int | None = None,
    tokens: TokenBudget | None = None,
    earlier: Earlier = FIRST_NIGHT,
) -> Validation:
    """Validate the newest version of each record, as it was received.

    Args:
        parts: Gives the parts of the rows as they were received (RECORDS); all versions of a row lie in one. They
            are read once, and once more where the recipe's own suite speaks of whole columns.
        answer: Fields of the answer, and the values that they may have.
        settings: Thresholds and limits, and the name of the recipe's own suite.
        folder: Where suites lie.
        cut_to: End of the night's cut.
        new_rows: How many rows are of the night's cut; none: not known.
        tokens: What tokens are counted by, where the recipe's own suite asks for it; none: the base model has none.
        earlier: What is known of the nights before.

    Raises:
        InputError: A suite is missing, or is none.
    """
    parameters = _name_parameters(settings, tokens)
    ids = ("row_id", "version")
    suites = [_with_answers("records", folder, answer, "warning")]
    if settings.suite is not None:
        suites.append(load_suite(settings.suite, folder))
    runs = [SuiteRun(suite, ids=ids, facts=RECORD_FACTS, parameters=parameters) for suite in suites]
    tally = RecordTally(answer)
    for part in parts():
        newest = spread_answers(keep_newest(part), answer)
        tally.add(part, newest)
        for run in runs:
            run.judge_part(newest)
    facts = tally.facts(new_rows)

    def read_again() -> Iterator[pl.DataFrame]:
        return (spread_answers(keep_newest(part), answer) for part in parts())

    rows = [result for run in runs for result in run.finish(read_again, facts)]
    limits = list_record_limits(settings.limits, earlier, cut_to)
    batch = _judge_batch("records_batch", folder, limits, facts, parameters)
    failed = _list_failed(batch, rows)
    return Validation(
        results=(*rows, *batch),
        refusal=_refuse([result for result in failed if result.failing is None], {**facts, **parameters}),
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
    more_facts: Mapping[str, float] | None = None,
) -> Validation:
    """Validate what curation let through, before it is frozen; a row that fails refuses the batch.

    Args:
        parts: Gives the parts of the snapshot to be (EXAMPLES), cut in any way.
        answer: Fields of the answer, and the values that they may have.
        settings: Thresholds and limits.
        folder: Where suites lie.
        tokens: What tokens are counted by; none: the base model has none.
        bound: What bytes tell by it, as curation found; none: not known.
        earlier: What is known of the nights before.
        more_facts: What curation measured of the whole batch: the suite `examples_batch` may speak of it by name.

    Raises:
        InputError: A suite is missing, or is none.
    """
    parameters = _name_parameters(settings, tokens)
    suite = _expect_cleaning(_with_answers("examples", folder, answer, "critical"), settings)
    if tokens is not None:
        suite = _expect_tokens(suite, tokens, bound)
    run = SuiteRun(suite, ids=("row_id",), parameters=parameters)
    tally = ExampleTally(answer)
    for part in parts():
        spread = spread_answers(part, answer)
        tally.add(spread)
        run.judge_part(spread)
    rows = run.finish(lambda: (spread_answers(part, answer) for part in parts()))
    facts = {**tally.facts(), **(more_facts or {})}
    limits = list_example_limits(settings.limits, earlier, answer)
    batch = _judge_batch("examples_batch", folder, limits, facts, parameters)
    return Validation(
        results=(*rows, *batch),
        refusal=_refuse(_list_failed(batch, rows), {**facts, **parameters}),
        failures=pl.DataFrame(schema=FAILURES),
        labels=tally.labels,
        text_lengths=tally.text_lengths,
    )


def _with_answers(name: str, folder: Path, answer: Answer, severity: Severity) -> Suite:
    """Load a standard suite, and add what is expected of each field of the answer."""
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
    """Leave out what no operation sees to, and add what is expected of redaction."""
    asked = [
        expected
        for expected in suite.expectations
        if expected.get("meta", {}).get("normalise") in (None, *settings.normalise.operations)
    ]
    return Suite(suite.name, (*asked, *([_NO_PII] if settings.pii != "keep" else [])))


def _expect_tokens(suite: Suite, tokens: TokenBudget, bound: TokenBound | None) -> Suite:
    """Add what is expected of the examples as the base model's tokenizer sees them."""
    kwargs = {
        "column_list": ["text", "history", "answer"],
        "budget": tokens.model_dump(mode="json"),
        "bound": bound.model_dump(mode="json") if bound else None,
    }
    expected = [{"type": name, "kwargs": kwargs, "severity": "warning"} for name in _TOKENS]
    return Suite(suite.name, (*suite.expectations, *expected))


def _name_parameters(settings: Prepare, tokens: TokenBudget | None) -> dict[str, Any]:
    """Return what `$PARAMETER` stands for in every suite."""
    return {
        "max_characters": settings.max_characters,
        "min_rows": settings.min_rows,
        "token_budget": tokens.model_dump(mode="json") if tokens else None,
    }


def _judge_batch(
    name: str,
    folder: Path,
    limits: Sequence[dict[str, Any]],
    facts: Mapping[str, Any],
    parameters: Mapping[str, Any],
) -> list[Result]:
    """Judge one row of facts by a standard suite and the recipe's limits."""
    suite = load_suite(name, folder)
    run = SuiteRun(Suite(suite.name, (*suite.expectations, *limits)), facts=facts, parameters=parameters)
    return run.finish(list, facts)


def _list_failed(batch: Sequence[Result], rows: Sequence[Result]) -> list[Result]:
    return [result for result in (*batch, *rows) if result.critical and not result.success]


def _refuse(failed: Sequence[Result], told: Mapping[str, Any]) -> str | None:
    """Return the refusal in the words of the first that failed."""
    if not failed:
        return None
    first = failed[0].expectation
    measured = "nothing" if first.measured is None else spell_number(first.measured)
    told = {**told, "measured": measured, "limit": first.limit}
    if "refusal" in failed[0].meta:
        # Filled in by name only: a suite is a file that people write, and a template could ask for more.
        return _FACT.sub(lambda match: str(told.get(match[1], match[0])), str(failed[0].meta["refusal"]))
    about = f" for column {first.column!r}" if first.column else ""
    if first.limit is None or first.measured is None:
        return f"{first.name} of suite {first.suite!r} failed{about}, {first.unexpected} times"
    return f"{first.name} of suite {first.suite!r} failed{about}: {measured} was measured, it asks for {first.limit}"


def _name_rows(failed: Sequence[Result]) -> pl.DataFrame:
    """Return each failing row once, with the first reason."""
    frames = [pl.DataFrame(schema=FAILURES)]
    for result in failed:
        if result.failing is not None:
            reason = {"rule": result.name, "measured": result.column, "threshold": f"suite {result.suite}"}
            columns = [pl.lit(value, pl.String).alias(name) for name, value in reason.items()]
            frames.append(result.failing.with_columns(columns))
    return pl.concat(frames).unique(["row_id", "version"], keep="first", maintain_order=True).sort("row_id", "version")
