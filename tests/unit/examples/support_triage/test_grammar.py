"""The grammar: texts that follow from a seed, are clean, and whose answer follows from them."""

import re
import unicodedata
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nightloom.examples.support_triage.grammar import TEAMS, Answer, make_random, write_problem
from nightloom.examples.support_triage.tickets import born_on
from nightloom.examples.support_triage.words import SLOTS, TEMPLATES, UNSEEN_TEMPLATES
from nightloom.scanners.clean import CleanText, clean_text

from tests.factories.checks import make_checks


def test_every_team_has_unseen_templates():
    assert TEAMS == ("billing", "shipping", "returns", "account", "technical", "security", "subscriptions", "sales")
    assert {len(templates) for templates in TEMPLATES.values()} == {10}
    assert UNSEEN_TEMPLATES == 2


def test_templates_share_their_slots():
    slots = {slot for templates in TEMPLATES.values() for text in templates for slot in re.findall(r"{(\w+)}", text)}

    assert slots == {"order", "amount", "amount2", "count", "day", "product", "place", "plan"}
    assert {"product", "place", "plan"} <= SLOTS.keys()


def test_seed_determines_the_text():
    problem = write_problem(make_random("example", 20))

    assert problem.text == (
        "Good morning, Could somebody from sales show us a demo of the laser printer in Basel? I have been on holiday "
        "since Wednesday, April 22. It is only a small thing and can wait. Greetings from Berlin."
    )
    assert problem.answer == Answer("sales", "low")


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        (Answer("billing", "high"), "Our billing desk checks the invoice within the hour."),
        (Answer("sales", "normal"), "Our sales desk prepares an offer this week."),
        (Answer("shipping", "low"), "Our shipping desk traces the parcel when it is its turn."),
    ],
    ids=lambda value: getattr(value, "team", ""),
)
def test_reply_follows_from_the_answer(answer: Answer, reply: str):
    assert answer.reply == reply


@given(st.integers(), st.booleans())
def test_clean_text_passes_every_scanner(seed: int, unseen: bool):
    text = write_problem(make_random(seed), unseen=unseen).text

    assert clean_text(text, make_checks(max_characters=400)) == CleanText(text)


@given(st.integers(), st.booleans())
def test_clean_text_is_plain_english(seed: int, unseen: bool):
    text = write_problem(make_random(seed), unseen=unseen).text

    assert 60 <= len(text) <= 400
    assert unicodedata.is_normalized("NFC", text)
    assert not re.search(r"\s\s|^\s|\s$|[{}@]|[0-9]{6}|://", text)


def test_tickets_use_no_unseen_template():
    unseen = [_as_pattern(text) for templates in TEMPLATES.values() for text in templates[-UNSEEN_TEMPLATES:]]
    days = [date(2026, 10, 1) + timedelta(days=offset) for offset in range(20)]
    texts = [save.text for day in days for save in born_on(20, day, 100)[0]]
    gold = write_problem(make_random("gold"), unseen=True).text

    assert sum(bool(pattern.search(gold)) for pattern in unseen) == 1
    assert not any(pattern.search(text) for pattern in unseen for text in texts)


def _as_pattern(template: str) -> re.Pattern[str]:
    return re.compile(".+?".join(map(re.escape, re.split(r"{\w+}", template))))
