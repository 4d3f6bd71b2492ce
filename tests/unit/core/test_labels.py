"""Labels: one form for all ways to write the same value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nightloom.core.labels import find_label, tidy_label


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


@pytest.mark.parametrize(
    ("value", "label"),
    [
        pytest.param("\uff11", "1", id="full width"),
        pytest.param("ﾃｽﾄ", "テスト", id="half width"),
        pytest.param("co\u2011op", "co-op", id="hyphen that breaks no line"),
        pytest.param("\u22121", "-1", id="minus"),
        pytest.param("it\u2019s", "it's", id="apostrophe"),
        pytest.param("\u2b50\ufe0f", "\u2b50", id="form of an emoji"),
        pytest.param("\ufb01ne", "fine", id="ligature"),
        pytest.param("می\u200cشود", "میشود", id="joiner"),
    ],
)
def test_label_is_found_in_other_forms(value: str, label: str) -> None:
    assert find_label(value, (label, "other")) == label
    assert find_label(label, (tidy_label(value), "other")) == tidy_label(value)


@pytest.mark.parametrize(
    ("value", "labels"),
    [
        pytest.param("shipping", ("Shipping",), id="capital"),
        pytest.param("1.0", ("1",), id="number"),
        pytest.param("m\uff12", ("m2", "m\u00b2"), id="two labels of one form"),
        pytest.param("", ("a",), id="blank"),
        pytest.param("\u200d", ("\u200c",), id="joiners alone"),
    ],
)
def test_other_value_means_no_label(value: str, labels: tuple[str, ...]) -> None:
    assert find_label(value, labels) is None
