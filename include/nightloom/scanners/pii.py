"""Personal data: find email and IP addresses, phone, card and account numbers with Presidio's pattern recognisers.

No language model is loaded. A recogniser takes up to a millisecond per text, so a cheap expression decides first
whether it runs.
"""

import logging
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import polars as pl

from nightloom.scanners.base import Match, blank_out, drop_overlapping
from nightloom.scanners.false_positives import is_no_card, is_no_mailbox, is_no_network, is_no_phone
from nightloom.scanners.phones import MAY_BE_PHONE, find_candidates

# Presidio's defaults without Canada, whose numbers have the form of those of the United States.
_COUNTRIES = ("US", "GB", "DE", "FR", "IL", "IN", "BR")

# Issued since 2017, and missing in Presidio.
_MASTERCARD = r"\b2[2-7]\d{2}[- ]?\d{4}[- ]?\d{4}[- ]?\d{4}\b"

_WORTH_CHECKING = {
    "EMAIL_ADDRESS": re.compile(r"@[^\s@]+\.[^\s@]"),
    "IBAN_CODE": re.compile(r"[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]{4}){2}"),
    "CREDIT_CARD": re.compile(r"[1-6]\d{3}[ -]?\d{3,4}[ -]?\d{3,4}[ -]?\d{3}"),
    "IP_ADDRESS": re.compile(
        r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]|[0-9A-Fa-f]::|::[0-9A-Fa-f]|(?:[0-9A-Fa-f]{1,4}:){7}"
    ),
}
"""Expressions by kind. Of overlapping matches the earlier kind wins; phone numbers come last."""


_IS_FALSE_POSITIVE: dict[str, Callable[[str, int, int], bool]] = {
    "EMAIL_ADDRESS": lambda text, start, end: is_no_mailbox(text[start:end]),
    "IBAN_CODE": lambda *_: False,
    "CREDIT_CARD": is_no_card,
    "IP_ADDRESS": is_no_network,
}


def find_pii(text: str) -> list[Match]:
    """Find personal data with a known pattern."""
    found = drop_overlapping(
        match
        for kind, expression in _WORTH_CHECKING.items()
        if expression.search(text)
        for match in _recognise(kind, text)
    )
    # Account and card numbers are no phone numbers, and checking them as such takes long.
    rest = blank_out(text, found)
    return sorted([*found, *_find_phones(rest)], key=lambda match: match.start) if MAY_BE_PHONE.search(rest) else found


def may_hold_pii(texts: pl.Series) -> pl.Series:
    """Return whether each text needs the full search: true for all with personal data, and some others."""
    expressions = (*_WORTH_CHECKING.values(), MAY_BE_PHONE)
    # One joined expression takes no longer than each of them.
    return texts.str.contains("|".join(f"(?:{expression.pattern})" for expression in expressions))


def _recognise(kind: str, text: str) -> Iterator[Match]:
    """Return a recogniser's matches without false positives."""
    for result in _recognisers()[kind].analyze(text, [kind], None):
        if not _IS_FALSE_POSITIVE[kind](text, result.start, result.end):
            yield Match(result.start, result.end, kind)


def _find_phones(text: str) -> list[Match]:
    found: list[Match] = []
    for candidate in find_candidates(text):
        part = text[candidate.start : candidate.end]
        recogniser = _recognisers()["INTERNATIONAL_NUMBER" if candidate.international else "PHONE_NUMBER"]
        for result in recogniser.analyze(part, ["PHONE_NUMBER"], None):
            start, end = result.start + candidate.start, result.end + candidate.start
            # A bracket around the whole number is not part of it.
            start += text[start:end].count("(") > text[start:end].count(")")
            if not is_no_phone(text, start, end):
                found.append(Match(start, end, "PHONE_NUMBER"))
    return drop_overlapping(found)


@cache
def _recognisers() -> dict[str, Any]:
    # Presidio reports each recogniser and the device that none of these uses.
    logging.getLogger("presidio-analyzer").setLevel(logging.WARNING)
    with _without("stanza", "torch", "transformers"):
        from presidio_analyzer import Pattern
        from presidio_analyzer.predefined_recognizers import (
            CreditCardRecognizer,
            EmailRecognizer,
            IbanRecognizer,
            IpRecognizer,
            PhoneRecognizer,
        )

    email = EmailRecognizer()
    email.validate_result = _domain_check()
    return {
        "EMAIL_ADDRESS": email,
        "IBAN_CODE": IbanRecognizer(),
        "CREDIT_CARD": CreditCardRecognizer(
            [*CreditCardRecognizer.PATTERNS, Pattern("new Mastercard", _MASTERCARD, 0.3)]
        ),
        "IP_ADDRESS": IpRecognizer(),
        "PHONE_NUMBER": PhoneRecognizer(supported_regions=_COUNTRIES),
        # A number with a country code needs no region.
        "INTERNATIONAL_NUMBER": PhoneRecognizer(supported_regions=_COUNTRIES[:1]),
    }


@contextmanager
def _without(*libraries: str) -> Iterator[None]:
    """Hide libraries that are not imported yet.

    Presidio imports them if it finds them, for recognisers that are not used here: six of seven seconds.
    """
    hidden = [name for name in libraries if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None marks a module as missing
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


def _domain_check() -> Callable[[str], bool]:
    """Return a check of an address's domain by tldextract's packaged list; Presidio's own check uses the network."""
    from tldextract import TLDExtract

    extract = TLDExtract(suffix_list_urls=(), cache_dir=None)
    return lambda address: bool(extract(address.rpartition("@")[2]).suffix)
