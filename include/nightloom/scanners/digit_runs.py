"""Runs of digits: the parts of a text that may be a telephone number, by how they are written alone."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from nightloom.scanners.plain import spell

MAY_BE_PHONE = re.compile(rf"\d(?:[{spell(' -()./')}]{{0,4}}\d){{6}}")
"""Seven grouped digits of any script, the shortest number that is dialled across borders."""

_RUN = re.compile(r"[+(]{0,3}\d(?:(?!\. )[-() ./]{0,4}\d)+")  # after a full stop and a blank is another sentence
_GROUP = re.compile(r"\d+")
_DAY, _MONTH, _YEAR = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])", r"(?:1[5-9]|20)\d\d"
_HOUR = r"(?:[01]\d|2[0-4])(?:00|15|30|45)"
_DATE = re.compile(
    rf"(?<![\d+])(?<!\d[-/.])(?:{_YEAR}([-/.]){_MONTH}\1{_DAY}|{_DAY}([-/.]){_DAY}\2(?:{_YEAR}|\d\d)"
    rf"|{_YEAR} ?[-/] ?{_YEAR}|{_HOUR} ?- ?{_HOUR})(?!\d|[-/.]\d)"
    rf"|(?<![\d+])(?<!\d[-/. ])(?:{_YEAR} {_MONTH} {_DAY}|{_DAY} {_MONTH} {_YEAR})(?!\d|[-/. ]\d)"
)
_DECIMAL = r"\(?(?:0|[1-9]\d*)\.\d+\)?"
_DECIMALS = re.compile(rf"{_DECIMAL}(?:(?:[-/ ]+|(?<=\)))[-/ ]*{_DECIMAL})*")
_LISTED = re.compile(
    r"(?:(?<=\d{3})|(?<=\d\d \d\d))(?: /|/ | / )(?=\(?0\d)"
)  # after a slash, only another number has a zero
_TRUNK_IN_BRACKETS = re.compile(r"\(0\)")
_SHORTEST, _LONGEST = 7, 18  # the longest has an international prefix and a trunk prefix
_MOST_GROUPS = 9
_MOST_IN_RUN = 60  # groups; with more it is a table, in which only a plus sign shows a number


@dataclass(frozen=True)
class Number:
    """A part of a run of digits.

    Attributes:
        start: Its first character in the text.
        end: Character after its last.
        written: Its characters in ASCII.
        begins: Whether the run begins with it.
        next_length: Digits of the group that follows in the run, or 0 if the run ends with the number.
    """

    start: int
    end: int
    written: str
    begins: bool
    next_length: int

    @cached_property
    def groups(self) -> list[str]:
        """Its groups of digits."""
        return _GROUP.findall(self.written)

    @cached_property
    def digits(self) -> str:
        """All its digits."""
        return "".join(self.groups)

    @cached_property
    def splits(self) -> frozenset[int]:
        """After how many digits a group ends, without the last group."""
        lengths = [len(group) for group in self.groups]
        return frozenset(sum(lengths[:count]) for count in range(1, len(lengths)))

    @property
    def ends(self) -> bool:
        """Whether the run ends with it."""
        return self.next_length == 0

    @property
    def has_sign(self) -> bool:
        """Whether it begins with a plus sign."""
        return "+" in self.written[:2]

    @property
    def has_brackets(self) -> bool:
        """Whether a part of it is in brackets."""
        return "(" in self.written or ")" in self.written

    @property
    def across_borders(self) -> str:
        """Its digits from the country code on, if it begins with a plus sign or 00; else nothing."""
        digits = "".join(_GROUP.findall(_TRUNK_IN_BRACKETS.sub("", self.written)))
        return digits if self.has_sign else digits[2:] if digits.startswith("00") else ""


def find_numbers(plain: str) -> Iterator[list[Number]]:
    """Yield the numbers of each run of digits in a plain text: from the left, at each place the longest first.

    A number begins where its run does, or after a blank with a sign, a bracket or a zero. It ends where the run does,
    or before a blank. Dates, ranges of years or hours and decimal fractions are left out.
    """
    for run in _RUN.finditer(_hide(_LISTED, _hide(_DATE, plain))):
        numbers = [number for number in _list_numbers(run) if _SHORTEST <= len(number.digits) <= _LONGEST]
        yield [number for number in numbers if not _DECIMALS.fullmatch(number.written)]


def _hide(expression: re.Pattern[str], plain: str) -> str:
    return expression.sub(lambda found: "," * len(found.group()), plain)


def _list_numbers(run: re.Match[str]) -> Iterator[Number]:
    written, groups = run.group(), list(_GROUP.finditer(run.group()))
    ends = [group.end() for group in groups]
    is_table = len(groups) > _MOST_IN_RUN
    for first, group in enumerate(groups):
        before = written[ends[first - 1] if first else 0 : group.start()]
        opening = before[len(before.rstrip("+(")) :]
        if first and (" " not in before or not (opening or group.group().startswith("0"))):
            continue
        if is_table and "+" not in opening:
            continue
        for last in range(min(first + _MOST_GROUPS, len(groups)) - 1, first - 1, -1):
            if last + 1 == len(groups) or " " in written[ends[last] : groups[last + 1].start()]:
                start = _leave_bracket(written, group.start() - len(opening), ends[last])
                yield Number(
                    run.start() + start,
                    run.start() + ends[last],
                    written[start : ends[last]],
                    begins=first == 0,
                    next_length=len(groups[last + 1].group()) if last + 1 < len(groups) else 0,
                )


def _leave_bracket(written: str, start: int, end: int) -> int:
    """Return where a number starts without a bracket around the whole of it."""
    part = written[start:end]
    return start + (part.startswith("(") and part.count("(") > part.count(")"))
