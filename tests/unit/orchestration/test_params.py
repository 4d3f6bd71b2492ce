"""Params: what a run's form accepts."""

import pytest
from airflow.sdk.exceptions import ParamValidationError
from nightloom.orchestration.dags import _blueprint_param

from .test_deadlines import make_recipe

ID = "ab" * 32


@pytest.mark.parametrize("given", [None, ID], ids=["empty", "id"])
def test_form_takes_a_blueprint(given: str | None) -> None:
    assert _blueprint_param(make_recipe()).resolve(given) == given


@pytest.mark.parametrize(
    "given", [f"{ID}\n", f"{ID}\r\n", f"\n{ID}", f"{ID} ", ID[1:], f"{ID}0"],
    ids=["line end", "line end of Windows", "line end before", "blank", "too short", "too long"],
)  # fmt: skip
def test_form_refuses_what_is_no_id(given: str) -> None:
    with pytest.raises(ParamValidationError):
        _blueprint_param(make_recipe()).resolve(given)
