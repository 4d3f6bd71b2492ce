"""The set of planted texts: its size, its shares, valid values, and that it stays as it is."""

import hashlib
import json
import unicodedata
from collections import Counter
from dataclasses import asdict
from ipaddress import ip_address, ip_network
from pathlib import Path

import phonenumbers
import pytest

from tests.texts.planted_texts import Planted, PlantedText, planted_texts
from tests.texts.planted_values import COUNTRIES

SHA256 = "b6041074265cbf6028924c16d6a649f2026d10b5d124392e2c8ef22d1ba5fc66"

TEXTS = planted_texts()
ALL = [planted for text in TEXTS for planted in text.planted]
FOR_DOCUMENTATION = [ip_network(f"{net}.0/24") for net in ("192.0.2", "198.51.100", "203.0.113")] + [
    ip_network("2001:db8::/32")
]
IBAN_LENGTHS = {"GB": 22, "DE": 22, "FR": 27, "ES": 24, "PL": 28, "IL": 23}


def values_of(kind: str) -> list[Planted]:
    return [planted for planted in ALL if planted.kind == kind]


def test_two_thousand_distinct_texts() -> None:
    assert len(TEXTS) == len({text.text for text in TEXTS}) == 2000


def test_set_is_pinned() -> None:
    rows = (json.dumps(asdict(text), ensure_ascii=False) for text in TEXTS)
    assert hashlib.sha256("\n".join(rows).encode()).hexdigest() == SHA256


def test_no_rule_reads_the_set() -> None:
    modules = sorted((Path(__file__).parents[3] / "include").rglob("*.py"))
    assert modules
    assert not [path for path in modules if "planted_texts" in path.read_text(encoding="utf-8")]


def test_spans_hold_the_values() -> None:
    for text in TEXTS:
        assert [text.text[it.start : it.end] for it in text.planted] == [it.value for it in text.planted]


def test_spans_are_in_order() -> None:
    for text in TEXTS:
        bounds = [bound for it in text.planted for bound in (it.start, it.end)]
        assert bounds == sorted(bounds)
        assert bounds


def neighbours(text: PlantedText, it: Planted) -> list[str]:
    return [text.text[at] for at in (it.start - 1, it.end) if 0 <= at < len(text.text)]


def test_touching_is_a_letter_of_another_script() -> None:
    for text in TEXTS:
        for it in text.planted:
            letters = [one for one in neighbours(text, it) if unicodedata.category(one)[0] in "LM"]
            assert bool(letters) == it.touching
            assert not any(one.isascii() for one in letters), text.text


def test_no_digit_is_next_to_a_value() -> None:
    for text in TEXTS:
        assert not any(one.isdigit() for it in text.planted for one in neighbours(text, it))


def test_a_third_touches_letters() -> None:
    assert 0.32 <= sum(any(it.touching for it in text.planted) for text in TEXTS) / len(TEXTS) <= 0.36


def test_a_third_of_phones_without_country_code() -> None:
    phones = values_of("phone")
    assert 0.32 <= sum(it.with_country_code is False for it in phones) / len(phones) <= 0.36
    assert all((it.with_country_code is None) == (it.kind != "phone") for it in ALL)


def test_country_code_is_written() -> None:
    for it in values_of("phone"):
        assert it.value.lstrip("(").startswith(("+", "00")) == it.with_country_code


def test_places_have_their_shares() -> None:
    places = Counter(text.place for text in TEXTS)
    assert set(places) == {"text", "turn", "answer", "prediction", "system"}
    assert all(0.2 <= places[place] / len(TEXTS) <= 0.26 for place in places if place != "system")
    assert places["system"] >= 100


def test_twelve_countries_with_phones_of_both_kinds() -> None:
    assert len(COUNTRIES) == 12
    assert {it.country for it in ALL} == set(COUNTRIES)
    assert {(it.country, it.with_country_code) for it in values_of("phone")} == {
        (country, with_code) for country in COUNTRIES for with_code in (True, False)
    }


def test_phones_are_possible() -> None:
    for it in values_of("phone"):
        number = phonenumbers.parse(it.value, it.country)
        assert phonenumbers.is_possible_number(number), it
        assert phonenumbers.region_code_for_country_code(number.country_code) == it.country


# Numbers for fiction are not assigned in France, nor all of those in Britain.
@pytest.mark.parametrize("country", sorted(set(COUNTRIES) - {"FR", "GB"}))
def test_phones_are_valid(country: str) -> None:
    phones = [it for it in values_of("phone") if it.country == country]
    assert phones
    assert all(phonenumbers.is_valid_number(phonenumbers.parse(it.value, country)) for it in phones)


def test_cards_have_check_digits() -> None:
    for it in values_of("card"):
        digits = [int(one) for one in it.value if one.isdigit()]
        doubled = [
            (2 * digit - 9 if digit > 4 else 2 * digit) if at % 2 else digit for at, digit in enumerate(digits[::-1])
        ]
        assert sum(doubled) % 10 == 0, it


def test_ibans_have_check_digits() -> None:
    for it in values_of("iban"):
        iban = it.value.replace(" ", "")
        number = "".join(one if one.isdigit() else str(ord(one) - 55) for one in iban[4:] + iban[:4])
        assert int(number) % 97 == 1, it
        assert len(iban) == IBAN_LENGTHS[it.country]


def test_addresses_are_for_documentation() -> None:
    for it in values_of("ip"):
        assert any(ip_address(it.value) in network for network in FOR_DOCUMENTATION)


def test_mail_addresses_are_for_examples() -> None:
    assert all("example." in it.value.rpartition("@")[2] for it in values_of("email"))
