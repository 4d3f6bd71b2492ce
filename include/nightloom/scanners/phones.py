"""Telephone numbers: find digits with the shape of one, or that the words around them call so."""

import re

from nightloom.scanners.base import Match
from nightloom.scanners.digit_runs import Number, find_numbers
from nightloom.scanners.false_positives import is_labelled, is_version
from nightloom.scanners.phone_forms import Reading, is_international, read_national
from nightloom.scanners.phone_words import is_announced_phone, is_named_phone
from nightloom.scanners.plain import write_plain
from nightloom.scanners.quantities import is_measured, is_operand, is_quantity

_EXTENSION = re.compile(r"[ ,;]{0,2}(?:ext(?:ension|\.)?|x|#|доб\.?|int\.)[ :.]{0,2}\d{1,6}(?!\d)", re.IGNORECASE)
_CUT_BEFORE = re.compile(r"\d[.,]?\Z|[A-Za-z_]\Z|\d[A-Za-z]{1,8}[-_/#]\Z|[A-Z]{2}(?<!TEL)(?<!MOB)(?<!FAX)[-_/#]\Z")
_CUT_AFTER = re.compile(r"[.,]?\d|[A-Za-z_]")
_OPERATES = re.compile(r" ?[=*/^]|[-+]\d")
_GLUED_BEFORE = re.compile(r"[A-Za-z0-9][-/_.#]\Z|#\Z")
_GLUED_AFTER = re.compile(r"[-/_][A-Za-z0-9]")
_IN_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:([ .])\d{3})(?:\1\d{3})+")
_IN_ORDER = "01234567890123456789", "98765432109876543210"
_QUOTES = re.compile(r"[\"'=:\s]+\Z")
_LETTER, _DIGIT = re.compile(r"[^\W\d_]"), re.compile(r"\d")
_BEFORE = 40  # characters before a number that may say what it is
_AROUND = 200  # characters around it that may be its line and the next ones
_LONGEST_AT_HOME = 12
_LONGEST_IN_FULL = 13  # with a country code that no sign announces: serial numbers of devices have more digits
_SHORTEST_ABROAD = 10  # digits after 00: as few are many a serial number's


def find_phones(text: str) -> list[Match]:
    """Find telephone numbers."""
    plain, found, end = write_plain(text), list[Match](), 0
    for numbers in find_numbers(plain):
        for number in numbers:
            if number.start >= end and _is_phone(text, plain, number):
                extension = _EXTENSION.match(plain, number.end)
                end = extension.end() if extension else number.end
                found.append(Match(number.start, end, "PHONE_NUMBER"))
    return found


def _is_phone(text: str, plain: str, number: Number) -> bool:
    start, end = number.start, number.end
    if _CUT_BEFORE.search(plain[max(start - 10, 0) : start]) or _CUT_AFTER.match(plain, end):
        return False
    if number.has_sign and is_international(number.across_borders):
        return not _OPERATES.match(plain, end)
    before = text[max(start - _BEFORE, 0) : start]
    if _is_another_number(text, number, before):
        return False
    if is_named_phone(text, start, end):
        return _may_be_dialled(number) or (is_announced_phone(before) and _may_be_local(number))
    if is_labelled(before, plainly=False) or is_operand(text, start, end):
        return False
    return not _GLUED_BEFORE.search(before) and not _GLUED_AFTER.match(text, end) and _has_shape(text, number)


def _is_another_number(text: str, number: Number, before: str) -> bool:
    """Whether a number without a plus sign is an order's, a version or a quantity, or an example's."""
    if is_version(before) or is_labelled(_QUOTES.sub(" ", before)) or is_quantity(text, number.start, number.end):
        return True
    # Only a telephone number begins with a zero or a bracket.
    is_measure = number.written[0] not in "0(" and is_measured(text, number.end)
    return is_measure or _is_in_order(number)


def _is_in_order(number: Number) -> bool:
    """Whether the digits are in order, as examples have them."""
    return not number.splits and any(number.digits in digits for digits in _IN_ORDER)


def _may_be_dialled(number: Number) -> bool:
    """Whether there can be such a number, written in such groups."""
    if len(number.digits) < 2 * len(number.groups) or number.digits.endswith("00000"):
        return False
    is_long = _SHORTEST_ABROAD <= len(number.digits) <= _LONGEST_IN_FULL
    abroad = number.across_borders or (number.digits if is_long else "")
    if abroad and is_international(abroad):
        return True
    return any(one.area or not number.splits for one in read_national(number.digits, number.splits))


def _may_be_local(number: Number) -> bool:
    """Whether a number may be one of a country that is not known here."""
    return 2 * len(number.groups) <= len(number.digits) <= _LONGEST_AT_HOME


def _has_shape(text: str, number: Number) -> bool:
    """Whether digits are written as telephone numbers are, and as nothing else is."""
    if not number.begins:
        return False
    abroad = number.across_borders
    if len(abroad) >= _SHORTEST_ABROAD and number.splits and is_international(abroad):
        return True
    readings = read_national(number.digits, number.splits)
    return any(_fits(text, number, reading) for reading in readings)


def _fits(text: str, number: Number, reading: Reading) -> bool:
    if not number.ends and not (
        reading.trunk == "0" and reading.usual and number.next_length != len(number.groups[-1])
    ):
        return False
    if number.has_brackets:
        return reading.area and reading.assigned
    if reading.trunk == "0":
        return (reading.assigned and (reading.area or not number.splits)) or reading.usual
    if not reading.assigned or not reading.grouped or all(group.endswith("00") for group in number.groups):
        return False
    # Two groups, or groups of three, are many a quantity too.
    is_common = len(number.groups) == 2 or _IN_THOUSANDS.fullmatch(number.written)
    return _is_alone(text, number) or (not is_common and _is_in_words(text, number))


def _is_alone(text: str, number: Number) -> bool:
    """Whether a number is a line of its own between lines without digits, as in a signature."""
    before, after = _look_around(text, number)
    lines = (*before.split("\n")[-2:], *after.split("\n")[:2])
    own = before.rpartition("\n")[2] + after.partition("\n")[0]
    return not _LETTER.search(own) and not any(map(_DIGIT.search, lines))


def _is_in_words(text: str, number: Number) -> bool:
    """Whether there are words in the line of a number."""
    before, after = _look_around(text, number)
    return bool(_LETTER.search(before.rpartition("\n")[2] + after.partition("\n")[0]))


def _look_around(text: str, number: Number) -> tuple[str, str]:
    return text[max(number.start - _AROUND, 0) : number.start], text[number.end : number.end + _AROUND]
