"""Forms of telephone numbers: how countries write them, by the metadata of the phonenumbers library."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

REGIONS = ("US", "GB", "DE", "FR", "IL", "IN", "BR", "ES", "PL", "RU", "JP", "CN", "KR")
"""Countries whose numbers are known without their country code; Canada's have the form of the United States'."""

_KINDS = ("fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "personal_number", "voip", "uan", "pager")


@dataclass(frozen=True, slots=True)
class Form:
    """A way to write some numbers of a country.

    Attributes:
        pattern: What such numbers begin with, and their groups.
        bare: Whether they may be written without the trunk prefix, as most mobile numbers of India are.
        usual: Whether it is the country's own form, and not another one that is often seen.
    """

    pattern: re.Pattern[str]
    bare: bool
    usual: bool

    def match(self, number: str) -> re.Match[str] | None:
        """Return the groups of a number that is written so."""
        return self.pattern.fullmatch(number)


@dataclass(frozen=True, slots=True)
class Region:
    """Numbers of a country: the prefix of a call within it, which numbers there can be, and their forms."""

    trunk: str
    possible: re.Pattern[str]
    lengths: frozenset[int]
    assigned: re.Pattern[str]
    forms: tuple[Form, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """How a number may be read in a country.

    Attributes:
        trunk: The trunk prefix that it begins with, or nothing.
        assigned: Whether such numbers are in use. Those for films are not, in some countries.
        grouped: Whether it has exactly the groups of a form.
        area: Whether a group ends where a form has one end.
        usual: Whether it has exactly the groups of the country's own form.
    """

    trunk: str
    assigned: bool
    grouped: bool
    area: bool
    usual: bool


def read_national(digits: str, ends: frozenset[int]) -> Iterator[Reading]:
    """Yield the ways to read a number without country code.

    Args:
        digits: The number.
        ends: After how many digits a group ends, without the last group.
    """
    for name in REGIONS:
        region = _load(name)
        if region.trunk and digits.startswith(region.trunk):
            cut = len(region.trunk)
            inside = frozenset(end - cut for end in ends if end > cut)
            yield from _read(region, digits[cut:], inside, region.trunk)
        yield from _read(region, digits, ends, "")


def is_international(digits: str) -> bool:
    """Whether digits are a country code and a number that the country can have."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    for length in (1, 2, 3):
        for name in COUNTRY_CODE_TO_REGION_CODE.get(int(digits[:length]), ()):
            region = _load(name, int(digits[:length]))
            rest = digits[length:]
            numbers = {rest, rest.removeprefix(region.trunk)}
            if digits[0] != "0" and any(
                len(number) in region.lengths and region.possible.fullmatch(number) for number in numbers
            ):
                return True
    return False


def _read(region: Region, number: str, ends: frozenset[int], trunk: str) -> Iterator[Reading]:
    if len(number) not in region.lengths or not region.possible.fullmatch(number):
        return
    written = [(form, found) for form in region.forms if (found := form.match(number))]
    usual = next((found for form, found in written if form.usual), None)
    if usual is None or not (trunk or any(form.bare for form, _ in written)):
        return
    splits = [_ends(found) for _, found in written]
    yield Reading(
        trunk=trunk,
        assigned=bool(region.assigned.fullmatch(number)),
        grouped=bool(ends) and ends in splits,
        area=any(ends & split for split in splits),
        usual=ends == _ends(usual),
    )


def _ends(found: re.Match[str]) -> frozenset[int]:
    return frozenset(found.end(group) for group in range(1, len(found.groups())))


@cache
def _load(name: str, country_code: int = 0) -> Region:
    from phonenumbers.data import _ALT_NUMBER_FORMATS
    from phonenumbers.phonemetadata import PhoneMetadata

    found: Any = PhoneMetadata.metadata_for_region_or_calling_code(country_code, name)
    kinds = [kind for kind in (getattr(found, name) for name in _KINDS) if kind and kind.national_number_pattern]
    others = _ALT_NUMBER_FORMATS.get(found.country_code, ())
    return Region(
        trunk=found.national_prefix or "",
        possible=re.compile(found.general_desc.national_number_pattern),
        lengths=frozenset(length for kind in kinds for length in kind.possible_length),
        assigned=re.compile("|".join(f"(?:{kind.national_number_pattern})" for kind in kinds)),
        forms=(
            *(_read_form(form, usual=True) for form in found.number_format),
            *(_read_form(form, usual=False) for form in others),
        ),
    )


def _read_form(form: Any, *, usual: bool) -> Form:
    leading = form.leading_digits_pattern[-1] if form.leading_digits_pattern else ""
    rule, optional = form.national_prefix_formatting_rule or "", form.national_prefix_optional_when_formatting
    return Form(
        pattern=re.compile(f"(?={leading}){form.pattern}"),
        bare=usual and bool(optional or not re.search(r"\d", rule.replace("\\1", ""))),
        usual=usual,
    )
