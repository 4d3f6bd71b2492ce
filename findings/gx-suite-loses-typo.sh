#!/usr/bin/env bash
# Great Expectations 1.24.1: a suite with a misspelt expectation is built without it, and passes.
#
# A suite is often read from JSON. One would expect a type that does not exist to be an error, as a wrong argument of a
# known type is. The constructor logs the error and goes to the next expectation, so the suite is shorter than its
# file; a suite of that one alone evaluates nothing and reports success. The same happens to an expectation of one's
# own whose module was not imported in this process, with nothing misspelt at all.
# Asked about in 2021 (great_expectations issue 3494). For users: compare the number of expectations with the file's,
# or add them one by one with `add_expectation`, and refuse a result with `evaluated_expectations` of 0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile great-expectations==1.24.1 pandas==3.1.1
cd "$folder"
"$folder/venv/bin/python" -W ignore - 2> "$folder/log" <<'PYTHON'
import great_expectations as gx
import pandas as pd

context = gx.get_context(mode="ephemeral")
asset = context.data_sources.add_pandas("pandas").add_dataframe_asset("rows")
frame = pd.DataFrame({"id": [None, None]})
batch = asset.add_batch_definition_whole_dataframe("whole").get_batch({"dataframe": frame})


def validate(expectation_type: str) -> tuple[int, bool | None, int]:
    """Return how many expectations a suite of one has, whether it passes, and how many were evaluated."""
    suite = gx.ExpectationSuite(name="s", expectations=[{"type": expectation_type, "kwargs": {"column": "id"}}])
    result = batch.validate(suite)
    return len(suite.expectations), result.success, result.statistics["evaluated_expectations"]


right, wrong = validate("expect_column_values_to_not_be_null"), validate("expect_column_values_to_be_not_null")
print(f"ids that are all null: right name (expectations, success, evaluated) = {right}; wrong name {wrong}")
print(f"Great Expectations {gx.__version__}: a suite of one misspelt expectation has {wrong[0]}, success is {wrong[1]}")
raise SystemExit((right, wrong) != ((1, False, 1), (0, True, 0)))
PYTHON
