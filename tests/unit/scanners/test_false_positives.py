"""False positives: text that looks like personal data is ignored, and real matches are kept."""

import pytest
from nightloom.scanners.base import redact
from nightloom.scanners.pii import find_pii


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("The IMEI is 352099001761481.", id="IMEI with a card's check digit"),
        pytest.param("EAN 4006381333931", id="article number with a card's check digit"),
        pytest.param("tracking 9400 4111 1111 1111 1111 00", id="card's number in a longer one"),
        pytest.param("firmware 7.57.0.123", id="version"),
        pytest.param("updated from 3.4.5.6 to 3.4.5.7", id="small numbers"),
        pytest.param("OID 1.3.6.1.4.1.311", id="longer number with dots"),
        pytest.param("bind to 0.0.0.0 or 127.0.0.1, mask 255.255.255.0", id="addresses of no one"),
        pytest.param("EUI-64 00:1A:2B:FF:FE:3C:4D:5E", id="address of a device"),
        pytest.param("ratio 1:2:3:4:5:6:7:8", id="ratio"),
        pytest.param("WhatsApp 2.23.25.83", id="version of an app"),
        pytest.param("abc::def and face::cafe", id="names in code"),
        pytest.param("git clone git@github.com:team/repo.git", id="code host"),
        pytest.param("https://maps.example.com/@52.52,13.40,12z", id="place on a map"),
        pytest.param("order no: 0223-034466", id="order number"),
        pytest.param("Sent from my phone. Order 020 7946 0958", id="order number after a telephone"),
        pytest.param("invoice SO-2026-681474", id="number with letters before it"),
        pytest.param("0.5 0.25 0.125 0.4215", id="decimals"),
        pytest.param("ticket 4155552671", id="bare digits"),
    ],
)
def test_false_positive_is_ignored(text: str) -> None:
    assert find_pii(text) == []


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        pytest.param("card 2221 0000 0000 0009", "card <CREDIT_CARD>", id="Mastercard of the new range"),
        pytest.param("host 10.0.0.5 is down", "host <IP_ADDRESS> is down", id="small numbers of a private network"),
        pytest.param(
            "my phone number is 4155552671", "my phone number is <PHONE_NUMBER>", id="bare digits with a name"
        ),
        pytest.param(
            "order late, call 020 7946 0958", "order late, call <PHONE_NUMBER>", id="telephone after an order"
        ),
        pytest.param("(030 1234567)", "(<PHONE_NUMBER>)", id="in brackets"),
        pytest.param("no.1@gov.br", "<EMAIL_ADDRESS>", id="domain that is a suffix"),
    ],
)
def test_real_match_is_kept(text: str, redacted: str) -> None:
    assert redact(text, find_pii(text)) == redacted
