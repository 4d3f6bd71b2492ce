"""Checks: the suites of the night, before and after formatting, and what follows from a failure.

A failed row of a recipe's own suite goes to quarantine; a failed batch is refused, in one sentence; a warning is
counted.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from nightloom.artifacts.data import Expectation
from nightloom.artifacts.frames import FAILURES
from nightloom.artifacts.reading import keep_newest
from nightloom.core.recipes import AnswerField, Prepare
from nightloom.validation.suites import Result, Suite, load_suite, run_suite

_FACT = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class Validation:
    """What the suites said."""

    expectations: tuple[Expectation, ...]
    refusal: str | None  # why the whole batch is refused
    failures: pl.DataFrame  # rows to be quarantined (FAILURES)


def validate_records(
    records: pl.DataFrame, answer: Mapping[str, AnswerField], settings: Prepare, folder: Path
) -> Validation:
    """Validate the newest version of each record, as it was received.

    Args:
        records: Rows as they were received (RECORDS).
        answer: Fields of the answer, and the values that they may have.
        settings: Thresholds, and the name of the recipe's own suite.
        folder: Where suites lie.

    Raises:
        InputError: A suite is missing, or is none.
    """
    parameters = {"max_characters": settings.max_characters, "min_rows": settings.min_rows}
    rows = _spread_answers(keep_newest(records), answer)
    standard = load_suite("records", folder)
    suite = Suite(standard.name, (*standard.expectations, *_expect_answers(answer)))
    ids = ("row_id", "version")
    results = run_suite(rows, suite, ids=ids, parameters=parameters)
    if settings.suite is not None:
        results += run_suite(rows, load_suite(settings.suite, folder), ids=ids, parameters=parameters)
    facts = {
        "rows": len(rows),
        "keys": rows["row_id"].n_unique(),
        "with_text": int((rows["text"].str.strip_chars() != "").sum()),
        "with_answer": len(rows.drop_nulls([_answer_column(name) for name in answer])),
    }
    batch = _check_batch("records_batch", facts, parameters, folder)
    return _conclude(results, batch, {**facts, **parameters})


def validate_examples(
    examples: pl.DataFrame, answer: Mapping[str, AnswerField], settings: Prepare, folder: Path
) -> Validation:
    """Validate what curation let through, before it is frozen; a row that fails refuses the batch.

    Args:
        examples: Rows of the snapshot to be (EXAMPLES).
        answer: Fields of the answer, and the values that they may have.
        settings: Thresholds.
        folder: Where suites lie.

    Raises:
        InputError: A suite is missing, or is none.
    """
    parameters = {"max_characters": settings.max_characters, "min_rows": settings.min_rows}
    standard = load_suite("examples", folder)
    answers = [{**expected, "severity": "critical"} for expected in _expect_answers(answer)]
    suite = Suite(standard.name, (*standard.expectations, *answers))
    results = run_suite(_spread_answers(examples, answer), suite, parameters=parameters)
    splits = examples.group_by("cluster_id").agg(pl.col("split").n_unique())["split"]
    facts = {
        "rows": len(examples),
        "keys": examples["row_id"].n_unique(),
        "train": int((examples["split"] == "train").sum()),
        "clusters_apart": int((splits > 1).sum()),
    }
    return _conclude(results, _check_batch("examples_batch", facts, parameters, folder), {**facts, **parameters})


def _check_batch(name: str, facts: Mapping[str, int], parameters: Mapping[str, Any], folder: Path) -> list[Result]:
    return run_suite(pl.DataFrame([facts]), load_suite(name, folder), parameters=parameters)


def _conclude(rows: Sequence[Result], batch: Sequence[Result], facts: Mapping[str, Any]) -> Validation:
    failed = [result for result in (*batch, *rows) if result.critical and not result.expectation.success]
    refusals = [_spell_refusal(result, facts) for result in failed if result.failing is None]
    failures = [_name_rows(result) for result in failed if result.failing is not None]
    return Validation(
        expectations=tuple(result.expectation for result in (*rows, *batch)),
        refusal=refusals[0] if refusals else None,
        failures=pl.concat([pl.DataFrame(schema=FAILURES), *failures]).unique(["row_id", "version"], keep="first"),
    )


def _spell_refusal(result: Result, facts: Mapping[str, Any]) -> str:
    expectation = result.expectation
    if "refusal" in result.meta:
        # Filled in by name only: a suite is a file that people write, and a template could ask for more.
        return _FACT.sub(lambda match: str(facts.get(match[1], match[0])), str(result.meta["refusal"]))
    about = f" for column {expectation.column!r}" if expectation.column else ""
    return f"{expectation.name} of suite {expectation.suite!r} failed{about}, {expectation.unexpected} times"


def _name_rows(result: Result) -> pl.DataFrame:
    expectation = result.expectation
    reason = {"rule": expectation.name, "measured": expectation.column, "threshold": f"suite {expectation.suite}"}
    failing = pl.DataFrame() if result.failing is None else result.failing
    return failing.with_columns(pl.lit(value, pl.String).alias(name) for name, value in reason.items())


def _spread_answers(frame: pl.DataFrame, answer: Mapping[str, AnswerField]) -> pl.DataFrame:
    """Give each field of the answer a column of its own."""
    values = [json.loads(given) if given else {} for given in frame["answer"]]
    return frame.drop("answer").with_columns(
        pl.Series(_answer_column(name), [value.get(name) for value in values], pl.String) for name in answer
    )


def _expect_answers(answer: Mapping[str, AnswerField]) -> list[dict[str, Any]]:
    expected: list[dict[str, Any]] = []
    for name, field in answer.items():
        column = {"column": _answer_column(name)}
        expected.append({"type": "expect_column_values_to_not_be_null", "kwargs": column, "severity": "warning"})
        if field.one_of:
            kwargs = {**column, "value_set": list(field.one_of)}
            expected.append({"type": "expect_column_values_to_be_in_set", "kwargs": kwargs, "severity": "warning"})
    return expected


def _answer_column(name: str) -> str:
    return f"answer.{name}"
