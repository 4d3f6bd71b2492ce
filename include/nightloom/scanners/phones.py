"""Phone numbers: find digits that are worth a check by the phone number library, which takes a millisecond."""

import re
from dataclasses import dataclass

from nightloom.scanners.false_positives import is_named_phone

# Characters that the phonenumbers library allows between the digits of a phone number.
_BETWEEN = (
    r"[-x\u2010-\u2015\u2212\u30fc\uff0d/\uff0f \u00a0\u00ad\u200b\u2060\u3000"
    r"()\uff08\uff09\uff3b\uff3d.\[\]~\u2053\u223c\uff5e]{0,4}"
)
MAY_BE_PHONE = re.compile(rf"\d(?:{_BETWEEN}\d){{6}}")
"""Seven grouped digits, the shortest number that is dialled across borders."""

_CANDIDATE = re.compile(rf"[+\uff0b(\uff08]?\d(?:{_BETWEEN}\d){{6,}}")
_DATE = re.compile(
    r"(?<!\d)(?:(?:19|20)\d\d([-/.])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12]\d|3[01])"
    r"|(?:0?[1-9]|[12]\d|3[01])([-/.])(?:0?[1-9]|[12]\d|3[01])\2(?:(?:19|20)\d\d))(?!\d)"
)
_NOT_DIGITS = re.compile(r"\D+")
_LONGEST = 15  # digits of an international number
_EXTENSION = 12  # characters that may follow a number and belong to it, such as ` ext. 1234`


@dataclass(frozen=True, slots=True)
class Candidate:
    """A part of a text that may be a phone number, with some context."""

    start: int
    end: int
    international: bool
    """Whether it is one number with a country code, so that no country has to be assumed."""


def find_candidates(text: str) -> list[Candidate]:
    """Find digits that are grouped like a phone number; dates are left out."""
    undated = _DATE.sub(lambda date: "," * len(date.group()), text)
    return [
        Candidate(max(match.start() - 1, 0), match.end() + _EXTENSION, _is_international(match.group()))
        for match in _CANDIDATE.finditer(undated)
        if _may_be_dialled(match.group()) or is_named_phone(text[: match.start()])
    ]


def _is_international(digits: str) -> bool:
    return digits[0] in "+\uff0b" and "/" not in digits and sum(map(str.isdigit, digits)) <= _LONGEST


def _may_be_dialled(digits: str) -> bool:
    """Whether the digits start like a phone number, or are long enough without such a start."""
    groups = _NOT_DIGITS.split(digits.strip("+\uff0b(\uff08"))
    if digits[0] in "+\uff0b(\uff08" or any(group.startswith("0") for group in groups):
        return True
    # Without a trunk prefix a number has an area code: ten digits, or eight in Brazil's groups of four. A single run
    # of digits is an order or ticket number far more often than a phone number.
    return len(groups) > 1 and sum(map(len, groups)) >= 8
