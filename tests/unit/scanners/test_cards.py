"""Payment cards: issuers, lengths, groups, and text next to a number."""

import pytest
from nightloom.scanners.base import redact
from nightloom.scanners.pii import find_pii


@pytest.mark.parametrize(
    "number",
    [
        pytest.param("6212 3456 7890 1234 569", id="UnionPay of 19 digits"),
        pytest.param("6212345678901234569", id="in one piece"),
        pytest.param("4917 6100 0000 0000 003", id="Visa of 19 digits, whose first 16 are one too"),
        pytest.param("2200 7007 0000 0002", id="Mir"),
        pytest.param("3782 822463 10005", id="American Express"),
        pytest.param("3056 9309 0259 04", id="Diners Club"),
        pytest.param("5105.1051.0510.5100", id="full stops"),
    ],
)
@pytest.mark.parametrize("said", ["my card {} fails", "卡号{}被扣", "{} 12/27 123", "Visa{}"])
def test_cards_of_all_issuers_are_found(number: str, said: str) -> None:
    text = said.format(number)
    assert redact(text, find_pii(text)) == said.format("<CREDIT_CARD>")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("order no. 5105105105105100", id="order"),
        pytest.param("file5105105105105100.png", id="name of a file"),
        pytest.param("5105105105105101", id="check digit"),
        pytest.param("0.5105105105105100", id="fraction"),
        pytest.param("注文番号 5105-1051-0510-5100", id="order in Japanese"),
    ],
)
def test_other_long_numbers_are_ignored(text: str) -> None:
    assert find_pii(text) == []
