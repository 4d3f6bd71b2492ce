"""Personal data: addresses, telephone and account numbers, found by Presidio's pattern recognisers.

No language model is loaded. A recogniser takes up to a millisecond a text, so a cheap expression for each decides first
whether it is asked at all.
"""

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

# Presidio's own, but for Canada, whose numbers are those of the United States.
_COUNTRIES = ("US", "GB", "DE", "FR", "IL", "IN", "BR")

# Given out since 2017, and not among Presidio's.
_MASTERCARD = r"\b2[2-7]\d{2}[- ]?\d{4}[- ]?\d{4}[- ]?\d{4}\b"

_WORTH_ASKING = {
    "EMAIL_ADDRESS": re.compile(r"@[^\s@]+\.[^\s@]"),
    "IBAN_CODE": re.compile(r"[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]{4}){2}"),
    "CREDIT_CARD": re.compile(r"[1-6]\d{3}[ -]?\d{3,4}[ -]?\d{3,4}[ -]?\d{3}"),
    "IP_ADDRESS": re.compile(
        r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]|[0-9A-Fa-f]::|::[0-9A-Fa-f]|(?:[0-9A-Fa-f]{1,4}:){7}"
    ),
}
"""By kind, in the order in which one goes before another that it overlaps. Telephone numbers come after them all."""


_LOOKALIKES: dict[str, Callable[[str, int, int], bool]] = {
    "EMAIL_ADDRESS": lambda text, start, end: is_no_mailbox(text[start:end]),
    "IBAN_CODE": lambda *_: False,
    "CREDIT_CARD": is_no_card,
    "IP_ADDRESS": is_no_network,
}


def find_pii(text: str) -> list[Match]:
    """Find personal data that has a pattern."""
    found = drop_overlapping(
        match for kind, worth_asking in _WORTH_ASKING.items() if worth_asking.search(text) for match in _ask(kind, text)
    )
    # What is known to be an account or a card is no telephone number, and takes long to be seen not to be one.
    rest = blank_out(text, found)
    return sorted([*found, *_find_phones(rest)], key=lambda match: match.start) if MAY_BE_PHONE.search(rest) else found


def may_hold_pii(texts: pl.Series) -> pl.Series:
    """Describe which texts are worth the search: all that hold personal data, and some that hold none."""
    asked = (*_WORTH_ASKING.values(), MAY_BE_PHONE)
    # One expression takes no longer than each of them.
    return texts.str.contains("|".join(f"(?:{worth_asking.pattern})" for worth_asking in asked))


def _ask(kind: str, text: str) -> Iterator[Match]:
    """Return what a recogniser finds, without what only looks like it."""
    for result in _recognisers()[kind].analyze(text, [kind], None):
        if not _LOOKALIKES[kind](text, result.start, result.end):
            yield Match(result.start, result.end, kind)


def _find_phones(text: str) -> list[Match]:
    found: list[Match] = []
    for candidate in find_candidates(text):
        part = text[candidate.start : candidate.end]
        recogniser = _recognisers()["INTERNATIONAL_NUMBER" if candidate.international else "PHONE_NUMBER"]
        for result in recogniser.analyze(part, ["PHONE_NUMBER"], None):
            start, end = result.start + candidate.start, result.end + candidate.start
            # A bracket around the whole is not part of it.
            start += text[start:end].count("(") > text[start:end].count(")")
            if not is_no_phone(text, start, end):
                found.append(Match(start, end, "PHONE_NUMBER"))
    return drop_overlapping(found)


@cache
def _recognisers() -> dict[str, Any]:
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
        # A number with its country's code is read alike from everywhere.
        "INTERNATIONAL_NUMBER": PhoneRecognizer(supported_regions=_COUNTRIES[:1]),
    }


@contextmanager
def _without(*libraries: str) -> Iterator[None]:
    """Hide libraries that nobody has imported yet.

    Presidio takes them into use where it finds them, for recognisers that are not used here: six of seven seconds.
    """
    hidden = [name for name in libraries if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None is how a module is said to be missing
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


def _domain_check() -> Callable[[str], bool]:
    """Return a check of an address's domain by the list that ships with tldextract: Presidio's asks the network."""
    from tldextract import TLDExtract

    extract = TLDExtract(suffix_list_urls=(), cache_dir=None)
    return lambda address: bool(extract(address.rpartition("@")[2]).suffix)
