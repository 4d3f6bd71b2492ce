"""Bank accounts: find IBANs (ISO 13616) by their check digits and the forms of their countries."""

import re
from collections.abc import Iterator

from nightloom.scanners.base import Match
from nightloom.scanners.presidio import load_account_forms

_SHORTEST = 15
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
        accounts = [account for account in (plain[found.start() : one] for one in ends) if _is_account(account)]
        if accounts:
            # The forms of some countries are not known to the last character.
            account = next((one for one in accounts if _is_whole(one)), accounts[-1])
            end = found.start() + len(account)
            yield Match(found.start(), end, "IBAN_CODE")


def _is_account(written: str) -> bool:
    account = _join(written)
    shortest = _SHORTEST if written[2:3].isdigit() else _SHORTEST_APART
    form = load_account_forms().get(account[:2])
    return bool(len(account) >= shortest and form and form.match(account) and _has_check_digits(account))


def _is_whole(written: str) -> bool:
    return bool(load_account_forms()[written[:2]].fullmatch(_join(written)))


def _join(written: str) -> str:
    return re.sub(r"[ .-]", "", written)


def _has_check_digits(account: str) -> bool:
    return int("".join(str(int(one, 36)) for one in account[4:] + account[:4])) % 97 == 1
