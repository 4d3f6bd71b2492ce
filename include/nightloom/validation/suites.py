"""Suites: Great Expectations files, loaded and run over a frame in batches. The only module that knows the library."""

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from nightloom.artifacts.data import Expectation
from nightloom.core.errors import InputError

BATCH_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Suite:
    """A set of expectations, each as Great Expectations writes it in JSON."""

    name: str
    expectations: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Result:
    """What one expectation came to."""

    expectation: Expectation
    critical: bool  # a warning is counted and has no other effect
    failing: pl.DataFrame | None  # ids of the rows that fail; none: it speaks of the whole batch
    meta: Mapping[str, Any]


def load_suite(name: str, folder: Path) -> Suite:
    """Read a suite in Great Expectations' JSON.

    Raises:
        InputError: There is no such file, or it is not a suite.
    """
    path = folder / f"{name}.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        expectations = tuple(document["expectations"])
    except FileNotFoundError as error:
        known = ", ".join(sorted(path.stem for path in folder.glob("*.json"))) or "none"
        msg = f"there is no suite {name!r} under {folder.name}. Known: {known}"
        raise InputError(msg) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"suite {name!r} is not JSON with a list of `expectations` ({type(error).__name__}); correct {path.name}"
        raise InputError(msg) from error
    return Suite(name, expectations)


def run_suite(
    frame: pl.DataFrame, suite: Suite, *, ids: Sequence[str] = (), parameters: Mapping[str, Any] | None = None
) -> list[Result]:
    """Run a suite over a frame and give one result for each expectation, in the suite's order.

    Args:
        frame: The rows, of any number: they are validated in batches of 100,000.
        suite: What is expected of them.
        ids: Columns that name a row, to tell which ones fail; none: failing rows are only counted.
        parameters: What `$PARAMETER` stands for in the suite.

    Raises:
        InputError: The suite speaks of a column that is not there, or of no known expectation.
    """
    results: list[Result] = []
    for batch in frame.iter_slices(BATCH_ROWS) if len(frame) else [frame]:
        found = list(_run_batch(batch, suite, ids, parameters or {}))
        results = [_add(one, two) for one, two in zip(results, found, strict=True)] if results else found
    return results


def _run_batch(
    frame: pl.DataFrame, suite: Suite, ids: Sequence[str], parameters: Mapping[str, Any]
) -> Iterator[Result]:
    with warnings.catch_warnings():
        # Of the library's own imports and of pandas under it: nothing that a reader could mend.
        warnings.simplefilter("ignore")
        report = _validate(frame, suite, ids, parameters)
    for result in sorted(report.results, key=lambda result: int(result.expectation_config.meta["place"])):
        config, found = result.expectation_config, result.result
        if result.exception_info.get("raised_exception", True):
            msg = (
                f"suite {suite.name!r} cannot be run: {_explain(result.exception_info)}; known columns: {frame.columns}"
            )
            raise InputError(msg)
        row_level = "unexpected_count" in found
        expectation = Expectation(
            suite=suite.name,
            name=config.type,
            column=config.kwargs.get("column"),
            success=bool(result.success),
            unexpected=int(found["unexpected_count"]) if row_level else int(not result.success),
        )
        rows = [{name: row[name] for name in ids} for row in found.get("unexpected_index_list") or ()]
        failing = pl.DataFrame(rows, dict.fromkeys(ids, pl.String)) if row_level and ids else None
        yield Result(expectation, config.severity == "critical", failing, config.meta)


def _validate(frame: pl.DataFrame, suite: Suite, ids: Sequence[str], parameters: Mapping[str, Any]) -> Any:
    import great_expectations as gx
    from great_expectations.core import ExpectationSuite
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
    context = gx.get_context(mode="ephemeral", project_config=config)
    asset = context.data_sources.add_pandas("frame").add_dataframe_asset("rows")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame.to_pandas()})
    return batch.validate(
        ExpectationSuite(name=suite.name, expectations=_build_expectations(suite)),
        result_format={"result_format": "COMPLETE", "unexpected_index_column_names": list(ids)},
        expectation_parameters=dict(parameters),
    )


def _build_expectations(suite: Suite) -> list[Any]:
    """Build each expectation by itself: a suite would log one that is wrong, and go on without it."""
    from great_expectations.exceptions import GreatExpectationsError
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    built = []
    for place, one in enumerate(suite.expectations):
        try:
            # Results come back in another order: each is told its place.
            meta = {**one.get("meta", {}), "place": place}
            built.append(ExpectationConfiguration(**{**one, "meta": meta}).to_domain_obj())
        except (GreatExpectationsError, AttributeError, ValueError, TypeError) as error:
            reason = " ".join(str(error).split())
            msg = f"suite {suite.name!r} has an expectation, number {place + 1}, that is none: {reason}; correct it"
            raise InputError(msg) from error
    return built


def _explain(exception_info: Mapping[str, Any]) -> str:
    detail = exception_info if "exception_message" in exception_info else next(iter(exception_info.values()))
    return str(detail["exception_message"])


def _add(one: Result, two: Result) -> Result:
    """Join what two batches say of the same expectation."""
    expectation = one.expectation.model_copy(
        update={
            "success": one.expectation.success and two.expectation.success,
            "unexpected": one.expectation.unexpected + two.expectation.unexpected,
        }
    )
    failing = None if one.failing is None or two.failing is None else pl.concat([one.failing, two.failing])
    return replace(one, expectation=expectation, failing=failing)
