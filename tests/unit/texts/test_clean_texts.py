"""The clean texts: how many, which ones, and that nothing in them looks like personal data."""

import json
import re
from hashlib import sha256
from pathlib import Path

import nightloom
import pytest

from tests.texts.clean_texts import clean_texts, clean_texts_by_kind

PACKAGE = Path(nightloom.__file__).parent
# They measure the rules: a rule that fails on one of them is changed, and never the text.
DIGEST = "cf442ef6e8d526edfa95ee2301d5f3c3d61361cb4167f5443271852c28d74b0b"
LIKE_PERSONAL_DATA = {
    "email": r"[^\s@]+@[^\s@]+\.[A-Za-z]{2,}",
    "ip address": r"(?<![\w.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![\w.])",
    "phone with country code": r"\+[1-9][0-9 ()/-]{8,}[0-9]",
    "american phone": r"\b[2-9][0-9]{2}[-. ][2-9][0-9]{2}[-. ][0-9]{4}\b",
    "social security number": r"\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b",
    "iban": r"\b[A-Z]{2}[0-9]{2}(?: ?[0-9A-Z]{4}){3,7}(?: ?[0-9A-Z]{1,3})?\b",
    "mac address": r"\b[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}\b",
    "web token": r"\beyJ[\w-]{10,}",
}
RUNS_OF_DIGITS = re.compile(r"(?<![0-9])(?:[0-9]{13,19}|[0-9]{4}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4})(?![0-9])")
DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return clean_texts()


def passes_luhn(number: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(re.sub(r"[^0-9]", "", number))):
        total += DOUBLED[int(digit)] if place % 2 else int(digit)
    return total % 10 == 0


def test_five_thousand_distinct_texts(texts):
    assert len(texts) == len(set(texts)) == 5000
    assert all(text.strip() for text in texts)


def test_same_texts_on_each_call(texts):
    assert clean_texts() == texts


def test_texts_never_change(texts):
    assert sha256(json.dumps(texts).encode()).hexdigest() == DIGEST


def test_kinds_share_the_texts(texts):
    kinds = clean_texts_by_kind()
    assert len(kinds) == 116
    assert {len(of_kind) for of_kind in kinds.values()} == {43, 44}
    assert [text for of_kind in kinds.values() for text in of_kind] == texts


@pytest.mark.parametrize("pattern", LIKE_PERSONAL_DATA.values(), ids=LIKE_PERSONAL_DATA)
def test_no_text_looks_personal(texts, pattern):
    assert [text for text in texts if re.search(pattern, text)] == []


def test_no_digits_pass_as_a_card(texts):
    runs = [run[0] for text in texts for run in RUNS_OF_DIGITS.finditer(text)]
    assert len(runs) > 50
    assert [run for run in runs if passes_luhn(run)] == []


def test_luhn_check_knows_a_card():
    assert passes_luhn("4111 1111 1111 1111")
    assert not passes_luhn("4111 1111 1111 1112")


def test_package_reads_no_such_texts():
    paths = [path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert len(paths) > 100
    # The package has a function `clean_texts` of its own.
    names = re.compile(rb"tests[./]texts|planted_texts|clean_texts_by_kind|clean_texts\.py|import clean_texts$")
    assert [path for path in paths if names.search(path.read_bytes())] == []
