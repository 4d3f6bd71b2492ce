"""Presidio: its recogniser and tables that are used here, loaded when first needed and without language models."""

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any


@cache
def load_ip_recogniser() -> Any:
    """Return the recogniser of network addresses."""
    # Presidio reports each recogniser and the device that none of these uses.
    logging.getLogger("presidio-analyzer").setLevel(logging.WARNING)
    with _without("stanza", "torch", "transformers"):
        from presidio_analyzer.predefined_recognizers import IpRecognizer

    return IpRecognizer()


@cache
def load_account_forms() -> dict[str, re.Pattern[str]]:
    """Return the forms of bank accounts (IBAN), by country."""
    with _without("stanza", "torch", "transformers"):
        from presidio_analyzer.predefined_recognizers.generic.iban_patterns import regex_per_country

    return {country: re.compile(form) for country, form in regex_per_country.items()}


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
