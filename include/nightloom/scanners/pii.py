"""Personal data: find email and IP addresses, phone, card and account numbers with Presidio's pattern recognisers.

No language model is loaded. A recogniser takes up to a millisecond per text, so a cheap expression decides first
whether it runs.
"""

import re
from collections.abc import Callable, Iterator

import polars as pl

from nightloom.scanners.accounts import find_accounts
from nightloom.scanners.base import Match, blank_out, drop_overlapping
from nightloom.scanners.digit_runs import MAY_BE_PHONE
from nightloom.scanners.false_positives import is_no_card, is_no_network
from nightloom.scanners.mailboxes import find_mailboxes
from nightloom.scanners.phones import find_phones
from nightloom.scanners.plain import spell, write_plain
from nightloom.scanners.presidio import load_recognisers

_SEPARATOR = f"[{spell(' -')}]"
_WORTH_CHECKING = {
    "EMAIL_ADDRESS": re.compile(r"@[^\s@]+\.[^\s@]"),
    "IBAN_CODE": re.compile(rf"[A-Z]{{2}}\d{{2}}(?:{_SEPARATOR}?[A-Z\d]{{4}}){{2}}"),
    "CREDIT_CARD": re.compile(r"[1-6]\d{3}[ -]?\d{3,4}[ -]?\d{3,4}[ -]?\d{3}"),
    "IP_ADDRESS": re.compile(r"\d\.\d{1,3}\.\d{1,3}\.\d|[\dA-Fa-f]::|::[\dA-Fa-f]|(?:[\dA-Fa-f]{1,4}:){7}"),
}
"""Expressions by kind. Of overlapping matches the earlier kind wins; phone numbers come last."""


_IS_FALSE_POSITIVE: dict[str, Callable[[str, int, int], bool]] = {
    "CREDIT_CARD": is_no_card,
    "IP_ADDRESS": is_no_network,
}


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
    return find_accounts(plain) if kind == "IBAN_CODE" else _recognise(kind, plain)


def _recognise(kind: str, plain: str) -> Iterator[Match]:
    """Return a recogniser's matches without false positives."""
    for result in load_recognisers()[kind].analyze(plain, [kind], None):
        if not _IS_FALSE_POSITIVE[kind](plain, result.start, result.end):
            yield Match(result.start, result.end, kind)
