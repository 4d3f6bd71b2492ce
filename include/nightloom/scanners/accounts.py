"""Bank accounts: find IBANs (ISO 13616) by their check digits and the forms of their countries."""

import re
from collections.abc import Iterator

from nightloom.scanners.base import Match
from nightloom.scanners.presidio import load_account_forms

_COUNTRIES = {
    15: "NO",
    16: "BE",
    18: "DK FI FK FO GL NL SD",
    19: "MK SI",
    20: "AT BA EE KZ LT LU MN XK",
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA",
    23: "AE GI IL IQ OM SO TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "LY PT ST",
    26: "IS TR",
    27: "BI DJ FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
    29: "BR EG PS QA UA",
    30: "JO KW MU YE",
    31: "MT SC",
    32: "LC",
    33: "RU",
}
"""Countries by the length of their accounts (SWIFT's IBAN registry)."""

_LENGTHS = {country: length for length, countries in _COUNTRIES.items() for country in countries.split()}

_SHORTEST_APART = 18  # with a blank after the country: shorter ones are many a number after a word of two letters
_ACCOUNT = re.compile(r"[A-Z]{2}[ -]?[0-9]{2}(?:[ .-]?[A-Z0-9]){11,30}")
_START = re.compile(r"(?:(?<![A-Z0-9])|(?<=IBAN))(?=[A-Z]{2}[ -]?[0-9]{2})")
_END = re.compile(r"(?<=[A-Z0-9])(?![A-Z0-9])")


def find_accounts(plain: str) -> Iterator[Match]:
    """Find IBANs in a plain text, in letters of any case. A word behind one is no part of it."""
    plain, end = plain.upper(), 0
    for start in _START.finditer(plain):
        found = _ACCOUNT.match(plain, start.end())
        if found is None or found.start() < end:
            continue
        ends = [one.end() for one in _END.finditer(plain, found.start(), found.end() + 1) if one.end() <= found.end()]
        account = next(filter(_is_account, (plain[found.start() : one] for one in ends)), None)
        if account:
            end = found.start() + len(account)
            yield Match(found.start(), end, "IBAN_CODE")


def _is_account(written: str) -> bool:
    account = _join(written)
    if len(account) != _LENGTHS.get(account[:2]) or (not written[2:3].isdigit() and len(account) < _SHORTEST_APART):
        return False
    # The forms of some countries are not known to the last character.
    form = load_account_forms().get(account[:2])
    return bool(form and form.match(account) and _has_check_digits(account))


def _join(written: str) -> str:
    return re.sub(r"[ .-]", "", written)


def _has_check_digits(account: str) -> bool:
    return int("".join(str(int(one, 36)) for one in account[4:] + account[:4])) % 97 == 1
