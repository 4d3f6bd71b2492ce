"""Bank accounts: check digits, and words in capitals behind them."""

import pytest
from nightloom.scanners.accounts import find_accounts
from nightloom.scanners.base import redact


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        pytest.param("to GB33 BUKB 2020 1555 5555 55 ASAP", "to <IBAN_CODE> ASAP", id="word in capitals"),
        pytest.param("CH93 0076 2011 6238 5295 7 I pay", "<IBAN_CODE> I pay", id="letter behind it"),
        pytest.param("FR14-2004-1010-0505-0001-3M02-606", "<IBAN_CODE>", id="hyphens"),
        pytest.param("PT50000201231234567890154.", "<IBAN_CODE>.", id="in one piece"),
        pytest.param("gb33 bukb 2020 1555 5555 55 please", "<IBAN_CODE> please", id="small letters"),
        pytest.param("nl91abna0417164300", "<IBAN_CODE>", id="small letters in one piece"),
        pytest.param("DE 89 3704 0044 0532 0130 00", "<IBAN_CODE>", id="blank after the country"),
        pytest.param("IBANDE89370400440532013000", "IBAN<IBAN_CODE>", id="its name touches it"),
        pytest.param("DE89.3704.0044.0532.0130.00", "<IBAN_CODE>", id="full stops"),
        pytest.param("PT97247765519940409389931 by Friday", "<IBAN_CODE> by Friday", id="word that fits the digits"),
        pytest.param("PT13 0906 0610 9889 5891 3875 1 Ich", "<IBAN_CODE> Ich", id="word that fits the digits, apart"),
        pytest.param("NL91ABNA0417164300 BE68539007547034", "<IBAN_CODE> <IBAN_CODE>", id="two"),
    ],
)
def test_exactly_the_account_is_taken(text: str, redacted: str) -> None:
    assert redact(text, list(find_accounts(text))) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "GB33 BUKB 2020 1555 5555 56",
        "DE00 1234 5678 9012 3456 78 Your shop",  # with the word, the check digits fit
        "AB12 3456 7890 1234 5678",
        "DE12",
        "no 93 8601 1117 947",
        "XGB33BUKB20201555555555",
    ],
)
def test_no_account_is_ignored(text: str) -> None:
    assert list(find_accounts(text)) == []
