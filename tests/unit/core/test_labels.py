"""Labels: one form for all ways to write the same value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nightloom.core.labels import tidy_label


@pytest.mark.parametrize(
    ("value", "label"),
    [
        pytest.param("billing     ", "billing", id="padded"),
        pytest.param("\u00a0human\u2003resources\t", "human resources", id="spaces"),
        pytest.param("pre\u0301nom", "pr\u00e9nom", id="decomposed"),
        pytest.param("re\u00adfund\u200b", "refund", id="invisible"),
        pytest.param("\ufeffsales\r\n", "sales", id="byte order mark"),
        pytest.param("e\u2060\u0301", "\u00e9", id="mark after joiner"),
        pytest.param("\U0001f469\u200d\U0001f680", "\U0001f469\u200d\U0001f680", id="emoji"),
        pytest.param("Shipping", "Shipping", id="capital"),
        pytest.param(" \u200b ", "", id="blank"),
    ],
)
def test_label_has_one_form(value: str, label: str) -> None:
    assert tidy_label(value) == label


@given(st.text())
def test_tidied_label_stays_unchanged(value: str) -> None:
    assert tidy_label(tidy_label(value)) == tidy_label(value)
