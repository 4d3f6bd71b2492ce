"""Retries: which errors are retried."""

import pytest
from airflow.sdk import RetryAction
from airflow.sdk.exceptions import AirflowTaskTimeout
from nightloom.core import errors
from nightloom.orchestration.dags import RETRY_POLICY


@pytest.mark.parametrize("kind", [errors.ChildError, errors.StoreError, errors.RegistryError, errors.ConflictError])
def test_faults_are_retried_after_task_delay(kind: type[Exception]) -> None:
    decision = RETRY_POLICY.evaluate(kind("gone"), 1, 7)
    assert (decision.action, decision.retry_delay) == (RetryAction.RETRY, None)


@pytest.mark.parametrize(
    "kind",
    [
        *(errors.InputError, errors.BudgetError, errors.DivergenceError, errors.ManifestError),
        *(errors.OutOfMemoryError, AirflowTaskTimeout),
    ],
)
def test_lasting_errors_are_not_retried(kind: type[Exception]) -> None:
    assert RETRY_POLICY.evaluate(kind("wrong"), 1, 7).action == RetryAction.FAIL
