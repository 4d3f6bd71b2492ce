"""Personal data: addresses, telephone and account numbers, found by Presidio's pattern recognisers.

No language model is loaded. Presidio takes seconds to import and a millisecond a text, so a cheap expression for each
recogniser decides first whether it is asked at all.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from nightloom.scanners.spans import Span, drop_overlapping

_DIGITS_ONLY = re.compile(r"[1-9][0-9]*")

_WORTH_ASKING = {
    "EMAIL_ADDRESS": re.compile("@"),
    "IBAN_CODE": re.compile(r"\b[A-Za-z]{2}[0-9]{2}"),
    "CREDIT_CARD": re.compile(r"[0-9](?:[ -]?[0-9]){11}"),
    "IP_ADDRESS": re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]"),
    "PHONE_NUMBER": re.compile(r"[0-9](?:[\s.()/-]{0,3}[0-9]){6}"),
}
"""By kind, in the order in which one goes before another that it overlaps."""


def find_pii(text: str) -> list[Span]:
    """Find personal data that has a pattern."""
    kinds = [kind for kind, worth_asking in _WORTH_ASKING.items() if worth_asking.search(text)]
    return drop_overlapping(span for kind in kinds for span in _recognise(kind, text))


def _recognise(kind: str, text: str) -> list[Span]:
    found = [Span(result.start, result.end, kind) for result in _recognisers()[kind].analyze(text, [kind], None)]
    if kind == "PHONE_NUMBER":
        # A bare run of digits is an order or ticket number far more often than a telephone.
        return [span for span in found if not _DIGITS_ONLY.fullmatch(text[span.start : span.end])]
    return found


@cache
def _recognisers() -> dict[str, Any]:
    from presidio_analyzer.predefined_recognizers import (
        CreditCardRecognizer,
        EmailRecognizer,
        IbanRecognizer,
        IpRecognizer,
        PhoneRecognizer,
    )

    email = EmailRecognizer()
    email.validate_result = _domain_check()
    recognisers = (email, IbanRecognizer(), CreditCardRecognizer(), IpRecognizer(), PhoneRecognizer())
    return {recogniser.supported_entities[0]: recogniser for recogniser in recognisers}


def _domain_check() -> Callable[[str], bool]:
    """Give a check of an address's domain by the list that ships with tldextract: Presidio's asks the network."""
    from tldextract import TLDExtract

    extract = TLDExtract(suffix_list_urls=(), cache_dir=None)
    return lambda address: bool(extract(address).fqdn)
