"""Proof of the search for personal data: of what Presidio's recognisers find alone, how much is found.

Personal data of every kind, in many forms, in sentences that name it or do not. A text counts if Presidio alone finds
the kind where it was put. A text is missed if no cheap expression selects it, or nothing of it is found there.
"""

import os
from random import Random

import polars as pl
import pytest
from nightloom.scanners.pii import find_pii, may_hold_pii
from nightloom.scanners.presidio import load_ip_recogniser
from nightloom.statistics.intervals import wilson_interval

from . import personal_data

TEXTS = int(os.environ.get("NIGHTLOOM_PROOF_DRAWS", "150")) * 2

CONTEXTS = {
    "any": (
        *(
            "{}",
            "My details: Ann Lee, {}, 12 Mill Lane.",
            "it is {} thanks",
            "Hi,\n{}\nRegards",
            "({})",
            "see {}, please",
        ),
        *("Der Kunde schrieb {} dazu.", "old: {}; new: the same", '"{}"', "a | {} | b", "- {}\n- second line", "{}."),
        *("On 2026-11-03 at 10:30 I sent {} with order 4821337 of 129.99 euros.", "réf. {} merci", "<{}>"),
    ),
    "phone": (
        *("call me at {}", "my phone is {} after six", "Tel. {}", "Mobile: {}", "reach me on {}", "cell {} works best"),
        *("you can text {} any time", "WhatsApp {} please", "phone number {}", "contact: {}"),
    ),
}

KINDS = {
    "email": (personal_data.email, "EMAIL_ADDRESS", "any"),
    "account": (personal_data.iban, "IBAN_CODE", "any"),
    "card": (personal_data.card, "CREDIT_CARD", "any"),
    "network": (personal_data.network, "IP_ADDRESS", "any"),
    "phone": (personal_data.phone, "PHONE_NUMBER", "any"),
    "phone, named": (personal_data.phone, "PHONE_NUMBER", "phone"),
    "phone in one piece, named": (personal_data.bare_phone, "PHONE_NUMBER", "phone"),
}


@pytest.fixture(scope="module")
def presidio():
    """Presidio's recognisers as they come, by kind, with no network asked for domains."""
    from presidio_analyzer.predefined_recognizers import (
        CreditCardRecognizer,
        EmailRecognizer,
        IbanRecognizer,
        PhoneRecognizer,
    )

    email = EmailRecognizer()
    email.validate_result = lambda _: True
    return {
        "IP_ADDRESS": load_ip_recogniser(),
        "CREDIT_CARD": CreditCardRecognizer(),
        "EMAIL_ADDRESS": email,
        "IBAN_CODE": IbanRecognizer(),
        "PHONE_NUMBER": PhoneRecognizer(),
    }


def is_found(kind: str, text: str, start: int, end: int) -> bool:
    """Whether the whole search finds the kind between these offsets."""
    if not may_hold_pii(pl.Series([text]))[0]:
        return False
    return any(one.kind == kind and one.start < end and one.end > start for one in find_pii(text))


@pytest.mark.parametrize("name", KINDS)
def test_search_misses_at_most_half_percent(name, presidio):
    make, kind, context = KINDS[name]
    random = Random(f"prefilter/{name}")
    found = passed = 0
    missed = []
    for _ in range(TEXTS):
        value = make(random)
        text = random.choice(CONTEXTS[context]).format(value)
        start = text.index(value)
        spans = presidio[kind].analyze(text, [kind], None)
        if any(span.start < start + len(value) and span.end > start for span in spans):
            found += 1
            passes = is_found(kind, text, start, start + len(value))
            passed += passes
            missed += [] if passes else [text]
    interval = wilson_interval(passed, found)
    print(f"{name}: {passed}/{found} [{interval.low:.4f}, {interval.high:.4f}] of {TEXTS} texts")  # noqa: T201  # the proof's table
    assert found > 0.6 * TEXTS
    assert passed >= 0.995 * found, missed[:5]
