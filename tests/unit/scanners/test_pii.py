"""Personal data: matches and false positives, without the network."""

import logging
import socket
import subprocess
import sys

import pytest
from nightloom.scanners.base import Match, drop_overlapping, redact
from nightloom.scanners.pii import find_pii
from nightloom.scanners.presidio import load_ip_recogniser


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        pytest.param("write to ann.lee@example.com, please", "write to <EMAIL_ADDRESS>, please", id="address"),
        pytest.param("call +1 415 555 2671 now", "call <PHONE_NUMBER> now", id="international"),
        pytest.param("call (415) 555-2671 now", "call <PHONE_NUMBER> now", id="national"),
        pytest.param("to DE89 3704 0044 0532 0130 00 today", "to <IBAN_CODE> today", id="IBAN"),
        pytest.param("card 4111 1111 1111 1111 fails", "card <CREDIT_CARD> fails", id="card"),
        pytest.param("from 192.168.20.7 again", "from <IP_ADDRESS> again", id="network address"),
        pytest.param("a@example.com and b@example.org", "<EMAIL_ADDRESS> and <EMAIL_ADDRESS>", id="two"),
    ],
)
def test_personal_data_is_found(text: str, redacted: str) -> None:
    assert redact(text, find_pii(text)) == redacted


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("order 4821337712 of 2026-11-03 at 10:30:15", id="order number and time"),
        pytest.param("card 4111 1111 1111 1112 fails", id="card with a wrong check digit"),
        pytest.param("meet me @ noon, 50% off", id="at sign"),
        pytest.param("it costs 1,299.00 and I paid 1,399.50", id="amounts"),
        pytest.param("", id="nothing"),
    ],
)
def test_similar_text_is_ignored(text: str) -> None:
    assert find_pii(text) == []


def test_no_network_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert [match.kind for match in find_pii("ann@example.co.uk")] == ["EMAIL_ADDRESS"]


def test_no_training_library_is_loaded() -> None:
    code = (
        "import sys; from nightloom.scanners.pii import find_pii;"
        "assert len(find_pii('from 192.0.2.7, DE89370400440532013000, ann@example.com')) == 3;"
        "assert not {'torch', 'transformers', 'stanza'} & sys.modules.keys(); import torch.version"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_first_overlapping_match_stays() -> None:
    matches = [Match(5, 9, "CARD"), Match(0, 3, "EMAIL"), Match(2, 6, "PHONE")]
    assert drop_overlapping(matches) == [Match(0, 3, "EMAIL"), Match(5, 9, "CARD")]


def test_loading_recogniser_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    load_ip_recogniser.cache_clear()
    with caplog.at_level(logging.INFO):
        assert find_pii("from 192.0.2.7 again")
    assert caplog.messages == []
