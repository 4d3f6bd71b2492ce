"""Payment cards: find their numbers by issuer, length and check digit."""

import re
from collections.abc import Iterator

from nightloom.scanners.base import Match
from nightloom.scanners.number_labels import is_labelled

_NEAR = 40  # characters before a number that may label it
_NUMBER = re.compile(
    r"(?<![0-9.])(?:\d{14,19}|\d{4}([ .-]?)\d{4}\1\d{4}\1(?:\d{4}\1\d{1,3}|\d{2,4})|\d{4}[ .-]?\d{6}[ .-]?\d{4,5}"
    r"|\d{4}[ -]?\d{4}[ -]?\d{4}[ -]?\d{4}|\d{6}[ -]?\d{10,13})(?![0-9])(?!\.[0-9])"
)
# First digits and lengths of card numbers, by issuer. A phone's IMEI begins with 35, and has 15 digits with the same
# check digit.
_ISSUED = re.compile(
    r"4(?:\d{15}|\d{18})|5[0-5]\d{14}|(?:222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|220[0-4]\d{12,15}"
    r"|3[47]\d{13}|(?:60\d\d|64[4-9]\d|65\d\d|62\d\d|6304|6363|6703|6759|676\d|81\d\d|5893|9792)\d{12,15}"
    r"|35(?:2[89]|[3-8]\d)\d{12,15}|(?:30[0-5]\d|3095|3[689]\d\d)\d{10,15}"
)
_WORD_BEFORE = re.compile(r"(?:^|[^A-Za-z])(?:[A-Za-z]*card|karte|carte|visa|amex|tarjeta|cart[aã]o?)\Z", re.IGNORECASE)
_CUT_BEFORE = re.compile(r"[A-Za-z0-9_]\Z|\d{3}[ -]\Z|\d\.\Z")
_CUT_AFTER = re.compile(r"[A-Za-z_]")


def find_cards(text: str, plain: str) -> Iterator[Match]:
    """Find card numbers in a text, given in its plain form too."""
    for found in _NUMBER.finditer(plain):
        start = found.start()
        # The last group may be another number, such as a month.
        ends = (found.end(), start + len(found.group().rpartition(found.group(1) or " ")[0]))
        end = next((end for end in ends if _is_card(plain, start, end)), None)
        if end and not is_labelled(text[max(start - _NEAR, 0) : start]):
            yield Match(start, end, "CREDIT_CARD")


def _is_card(plain: str, start: int, end: int) -> bool:
    before, digits = plain[max(start - _NEAR, 0) : start], re.sub(r"\D", "", plain[start:end])
    if _CUT_AFTER.match(plain, end) or (_CUT_BEFORE.search(before) and not _WORD_BEFORE.search(before)):
        return False
    return bool(_ISSUED.fullmatch(digits)) and _has_check_digit(digits)


def _has_check_digit(digits: str) -> bool:
    """Whether the sum of the digits, every second one doubled, is a multiple of ten (Luhn)."""
    doubled = "".join(str(2 * int(digit)) for digit in digits[-2::-2])
    return sum(map(int, doubled + digits[-1::-2])) % 10 == 0
