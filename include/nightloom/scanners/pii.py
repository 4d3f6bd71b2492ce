"""Personal data: find email and IP addresses, phone, card and account numbers by their forms.

No language model is loaded. A search takes up to a millisecond per text, so a cheap expression decides first
whether it runs.
"""

import re
from collections.abc import Iterator

import polars as pl

from nightloom.scanners.accounts import find_accounts
from nightloom.scanners.base import Match, blank_out, drop_overlapping
from nightloom.scanners.cards import find_cards
from nightloom.scanners.digit_runs import MAY_BE_PHONE
from nightloom.scanners.false_positives import is_no_network
from nightloom.scanners.mailboxes import find_mailboxes
from nightloom.scanners.phones import find_phones
from nightloom.scanners.plain import spell, write_plain
from nightloom.scanners.presidio import load_ip_recogniser

_SEPARATOR = f"[{spell(' -.')}]"
_CODE = rf"(?:[A-Za-z\uff21-\uff3a\uff41-\uff5a]{{2}}|[A-Z]{{2}}{_SEPARATOR})"
_WORTH_CHECKING = {
    "EMAIL_ADDRESS": re.compile(r"[@\uff20\ufe6b][^\s@]+[.\u3002\uff0e\uff61][^\s@]"),
    "IBAN_CODE": re.compile(rf"{_CODE}\d{{2}}(?:{_SEPARATOR}?[0-9A-Za-z\d\uff21-\uff5a]{{4}}){{2}}"),
    "CREDIT_CARD": re.compile(r"[2-689]\d{3}[ .-]?\d{3,4}[ .-]?\d{3,4}[ .-]?\d{2}"),
    "IP_ADDRESS": re.compile(r"\d\.\d{1,3}\.\d{1,3}\.\d|[\dA-Fa-f]::|::[\dA-Fa-f]|(?:[\dA-Fa-f]{1,4}:){7}"),
}
"""Expressions by kind. Of overlapping matches the earlier kind wins; phone numbers come last."""


def find_pii(text: str) -> list[Match]:
    """Find personal data with a known pattern."""
    plain = write_plain(text)
    found = drop_overlapping(
        match
        for kind, expression in _WORTH_CHECKING.items()
        if expression.search(plain)
        for match in _find(kind, text, plain)
    )
    # Account and card numbers are no phone numbers.
    rest = blank_out(text, found)
    return sorted([*found, *find_phones(rest)], key=lambda match: match.start) if MAY_BE_PHONE.search(rest) else found


def may_hold_pii(texts: pl.Series) -> pl.Series:
    """Return whether each text needs the full search: true for all with personal data, and some others."""
    # A card in digits of any script has as many groups as a phone number. One joined expression takes no longer than
    # each of them.
    expressions = [expression for kind, expression in _WORTH_CHECKING.items() if kind != "CREDIT_CARD"]
    return texts.str.contains("|".join(f"(?:{expression.pattern})" for expression in (*expressions, MAY_BE_PHONE)))


def _find(kind: str, text: str, plain: str) -> Iterator[Match]:
    if kind == "EMAIL_ADDRESS":
        return find_mailboxes(text)
    if kind == "IP_ADDRESS":
        return _find_networks(plain)
    return find_accounts(plain) if kind == "IBAN_CODE" else find_cards(text, plain)


def _find_networks(plain: str) -> Iterator[Match]:
    """Find IP addresses with Presidio's recogniser, without false positives."""
    for result in load_ip_recogniser().analyze(plain, ["IP_ADDRESS"], None):
        if not is_no_network(plain, result.start, result.end):
            yield Match(result.start, result.end, "IP_ADDRESS")
