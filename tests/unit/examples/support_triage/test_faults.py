"""Planted faults: each is what its name says, and what its expected outcome needs."""

import re

import ftfy
import pytest
from nightloom.examples.support_triage import faults
from nightloom.examples.support_triage.grammar import make_random
from nightloom.scanners.clean import clean_text
from nightloom.scanners.injections import find_injections
from nightloom.scanners.pii import find_pii
from nightloom.scanners.secrets import find_secrets

from tests.factories.checks import make_checks

TEXT = "The parcel with the desk lamp is late. Thank you."


def damaged(kind: str, count: int = 60) -> list[str]:
    damage, _, _ = faults.DAMAGES[kind]
    return [damage(make_random(kind, number), TEXT) for number in range(count)]


@pytest.mark.parametrize("kind", faults.DAMAGES)
def test_fault_has_its_expected_outcome(kind: str):
    _, outcome, rule = faults.DAMAGES[kind]
    for text in damaged(kind):
        clean = clean_text(text, make_checks(max_characters=2000))
        found = ("quarantined", clean.reason.rule) if clean.reason else ("repaired", *clean.repairs)

        assert found == (outcome, rule)


def test_oversized_text_has_no_secrets():
    for text in damaged("oversized_text", 20):
        assert 3_000 <= len(text) <= 21_000
        assert not find_secrets(text)
        assert not find_injections(text)


def test_broken_encoding_can_be_repaired():
    restored = {ftfy.fix_encoding(text) for text in damaged("broken_encoding")}

    assert restored == {
        f"{TEXT} The sign says \u2018open\u2019, and that\u2019s wrong.",
        f"{TEXT} Please ask Ren\u00e9e at the caf\u00e9 \u2013 she knows it.",
        f"{TEXT} It\u2019s the fa\u00e7ade of the Z\u00fcrich store\u2026",
    }


def test_personal_data_has_four_kinds():
    kinds = [[span.kind for span in find_pii(text)] for text in damaged("pii")]

    assert {tuple(found) for found in kinds} == {
        ("EMAIL_ADDRESS",), ("PHONE_NUMBER",), ("IBAN_CODE",), ("CREDIT_CARD",),
    }  # fmt: skip


def test_numbers_have_valid_check_digits():
    numbers = [re.sub(r"\D", "", text) for text in damaged("pii")]
    accounts = [number for number in numbers if len(number) == 20]
    cards = [number for number in numbers if len(number) == 16]

    assert len(accounts) > 8
    assert len(cards) > 8
    assert {int(f"{number[2:]}1314{number[:2]}") % 97 for number in accounts} == {1}
    assert {luhn(number) % 10 for number in cards} == {0}


def luhn(number: str) -> int:
    return sum(sum(map(int, str(int(digit) * (2 - at % 2)))) for at, digit in enumerate(number))


def test_secrets_have_five_kinds():
    kinds = {span.kind for text in damaged("secret") for span in find_secrets(text)}

    assert kinds >= {"aws_access_key", "github_token", "assigned_secret", "private_key"}
    assert kinds & {"jwt", "bearer_token"}


def test_injections_have_many_phrasings():
    orders = [faults.prompt_injection(make_random(number), f"Ticket {number}:") for number in range(300)]

    assert len({order.split(": ", 1)[1] for order in orders}) > 60
    assert all(find_injections(order) for order in orders)


def test_near_copy_doubles_one_letter():
    copies = {faults.near_copy(make_random(number), "We wait for the blue parcel.") for number in range(50)}

    assert copies == {"We waitt for the blue parcel.", "We wait for the bluee parcel."}
