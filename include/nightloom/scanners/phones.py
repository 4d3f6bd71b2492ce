"""Telephone numbers: find digits with the shape of one, or that the words around them call so."""

import re
from itertools import pairwise

from nightloom.scanners.base import Match
from nightloom.scanners.digit_runs import Number, find_numbers
from nightloom.scanners.false_positives import is_version
from nightloom.scanners.number_labels import is_labelled
from nightloom.scanners.phone_forms import Reading, is_international, read_national
from nightloom.scanners.phone_words import ends_with_phone_word, is_announced_phone, is_called_phone, is_named_phone
from nightloom.scanners.plain import narrow, write_plain
from nightloom.scanners.quantities import is_measured, is_operand, is_quantity

_EXTENSION = re.compile(
    r"[ ,;]{0,2}(?:ext(?:ensi[oó]n|\.)?|x|#|int(?:erno|\.)|poste|ramal|anexo|wew\.?|linka|mellék|доб(?:ав\w*|\.)?"
    r"|вн\.|内線|内线|分機|分机|내선)[ :.№：]{0,2}\d{1,6}(?!\d)",
    re.IGNORECASE,
)
_CUT_BEFORE = re.compile(r"\d[.,]?\Z|[A-Za-z_]\Z|\d[A-Za-z]{1,8}[-_/#]\Z|[A-Z]{2}(?<!TEL)(?<!MOB)(?<!FAX)[-_/#]\Z")
_CUT_AFTER = re.compile(r"[.,]?\d|[A-Za-z_]")
_OPERATES = re.compile(r" ?(?:[=*^]|/(?! ?[+(0]))|[-+]\d")
_LISTED_AFTER, _LISTED_BEFORE = re.compile(r" ?/ ?\(?0\d"), re.compile(r"\d ?/ ?\Z")
_GLUED_BEFORE = re.compile(r"[A-Za-z0-9][-/_.#]\Z|#\Z")
_GLUED_AFTER = re.compile(r"[-/_][A-Za-z0-9]")
_IN_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:([ .])\d{3})(?:\1\d{3})+")
_WHOLE_DATE = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_IN_ORDER = "01234567890123456789", "98765432109876543210"
_YEAR = re.compile(r"(?:19|20)\d\d")
_QUOTES = re.compile(r"[\"'=:\s]+\Z")
_LETTER, _DIGIT = re.compile(r"[^\W\d_]"), re.compile(r"\d")
_BEFORE = 40  # characters before a number that may say what it is
_AROUND = 200  # characters around it that may be its line and the next ones
_CLOSE = 30  # the first and the last of a series of rooms or trains
_LONGEST_AT_HOME = 12
_LONGEST_IN_FULL = 13  # with a country code that no sign announces: serial numbers of devices have more digits
_SHORTEST_ABROAD = 10  # digits after 00: as few are many a serial number's


def find_phones(text: str) -> list[Match]:
    """Find telephone numbers."""
    text, plain = narrow(text), write_plain(text)
    found, end = list[Match](), 0
    for numbers in find_numbers(plain):
        for number in numbers:
            if number.start >= end and _is_phone(text, plain, number):
                extension = _EXTENSION.match(text, number.end)
                end = extension.end() if extension else number.end
                found.append(Match(number.start, end, "PHONE_NUMBER"))
    return found


def _is_phone(text: str, plain: str, number: Number) -> bool:
    start, end = number.start, number.end
    before = text[max(start - _BEFORE, 0) : start]
    is_cut = _CUT_BEFORE.search(plain[max(start - 10, 0) : start]) and not ends_with_phone_word(before)
    if is_cut or _CUT_AFTER.match(plain, end):
        return False
    if number.has_sign and is_international(number.across_borders):
        return not _OPERATES.match(plain, end)
    if _is_another_number(text, number, before):
        return False
    if is_named_phone(text, start, end):
        is_announced = is_announced_phone(before)
        if not is_announced and _WHOLE_DATE.fullmatch(number.written):
            return False
        is_announced = is_announced or (is_called_phone(before) and len(number.groups) > 2)
        return _may_be_dialled(number) or (is_announced and _may_be_local(number))
    if is_labelled(before, plainly=False) or (is_operand(text, start, end) and not _is_listed(plain, number)):
        return False
    return not _GLUED_BEFORE.search(before) and not _GLUED_AFTER.match(text, end) and _has_shape(text, number)


def _is_another_number(text: str, number: Number, before: str) -> bool:
    """Whether a number without a plus sign is an order's, a version or a quantity, or an example's."""
    if is_version(before) or is_labelled(_QUOTES.sub(" ", before)) or is_quantity(text, number.start, number.end):
        return True
    # Only a telephone number begins with a zero or a bracket.
    is_measure = number.written[0] not in "0(" and is_measured(text, number.end)
    is_series = number.written[0] not in "0(" and _is_series(number)
    return is_measure or is_series or _is_in_order(number)


def _is_in_order(number: Number) -> bool:
    """Whether the digits are in order, as examples have them."""
    return not number.splits and any(number.digits in digits for digits in _IN_ORDER)


def _is_series(number: Number) -> bool:
    """Whether the groups are sizes, prices or years in a row, such as 400-450-500."""
    values = [int(group) for group in number.groups]
    steps = {after - before for before, after in pairwise(values)}
    is_even = steps != {0} and len(steps) == 1 and len(values) > 2
    is_close = min(steps, default=0) > 0 and len(values) > 2 and values[-1] - values[0] < _CLOSE
    are_years = len(values) > 1 and all(_YEAR.fullmatch(group) for group in number.groups)
    are_round = len(values) > 1 and all(group.endswith("0" if len(values) > 2 else "00") for group in number.groups)
    return are_years or is_even or is_close or are_round


def _is_listed(plain: str, number: Number) -> bool:
    """Whether a number with a trunk prefix is one of two that a slash separates."""
    is_listed = _LISTED_AFTER.match(plain, number.end) or _LISTED_BEFORE.search(
        plain[max(number.start - 4, 0) : number.start]
    )
    return number.digits.startswith("0") and bool(is_listed)


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
    # Scores have groups of one digit. A zero alone is written before few numbers, and before many parts of cars.
    if len(number.digits) < 2 * len(number.groups) or (number.groups[0] == "0" and not number.digits.startswith("08")):
        return False
    readings = read_national(number.digits, number.splits)
    return any(_fits(text, number, reading) for reading in readings)


def _fits(text: str, number: Number, reading: Reading) -> bool:
    if not number.ends and not (
        reading.trunk == "0" and reading.usual and number.next_length != len(number.groups[-1])
    ):
        return False
    if number.has_brackets:
        is_closed = number.written.count("(") == number.written.count(")")
        return (is_closed or reading.trunk == "0") and reading.area and reading.assigned
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
