"""Proof of redaction: what it changes in 5,000 texts without personal data, and what it finds in 2,000 with some.

Each planted text is cleaned by the function that cleans its place. A value counts as found if the whole text comes out
right, to the character, with the kind in place of each value.
"""

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal

import polars as pl
import pytest
from nightloom.artifacts.frames import HISTORY
from nightloom.artifacts.models import Checks, TaskSpec
from nightloom.artifacts.prompts import Prompt
from nightloom.prediction.answer_scan import make_scan
from nightloom.prediction.screening import screen_rows
from nightloom.scanners.conversations import clean_conversations
from nightloom.scanners.normalise import normalise
from nightloom.statistics.intervals import wilson_interval

from tests.factories.asking import make_answer
from tests.factories.checks import make_checks
from tests.factories.prediction_plans import make_plan_content
from tests.texts.clean_texts import clean_texts_by_kind
from tests.texts.planted_texts import PlantedText, planted_texts

KINDS = {
    "phone": "PHONE_NUMBER",
    "email": "EMAIL_ADDRESS",
    "card": "CREDIT_CARD",
    "iban": "IBAN_CODE",
    "ip": "IP_ADDRESS",
    "key": "SECRET",
    "password": "SECRET",
    "private_key": "SECRET",
}
PLACES = ("text", "turn", "system", "answer", "prediction")
CLEANED = (*PLACES, "model's answer as JSON", "model's answer as text")
SECRETS = re.compile(r"<[a-z_]+>")  # their kinds are in small letters
# A recipe cannot redact secrets. Here it shows where they were found.
CHECKS = make_checks().model_copy(update={"actions": {"pii": "redact", "secret": "redact", "prompt_injection": "keep"}})


def clean(place: str, texts: Sequence[str], checks: Checks = CHECKS) -> list[str]:
    """Clean texts that are found in a place, by the function that cleans it there."""
    schema = {"text": pl.String, "history": HISTORY, "answer": pl.String, "fault": pl.String}
    rows = pl.DataFrame({"text": texts, "history": None, "answer": texts, "fault": None}, schema)
    if place.startswith("model's answer"):
        return scan_answers("json" if place.endswith("JSON") else "text", texts, checks)
    if place == "prediction":
        return [screened.text for screened in screen_rows(rows, checks)]
    if place in ("turn", "system"):
        role = {"turn": "user", "system": "system"}[place]
        history = pl.Series([[{"role": role, "content": text}] for text in texts], dtype=HISTORY)
        cleaned = clean_conversations(rows.with_columns(history=history, text=pl.lit("Thanks.")), checks)
        return [message["content"] for (message,) in cleaned["clean_history"].to_list()]
    column = {"text": "clean", "answer": "answer"}[place]
    return clean_conversations(rows, checks, ["answer"])[column].to_list()


def scan_answers(output: Literal["json", "text"], texts: Sequence[str], checks: Checks) -> list[str]:
    """Return what is stored of answers that a model gives to rows."""
    task = TaskSpec(prompt=Prompt.as_id("a" * 64), output=output, answer={"reply": None}, field_order=("reply",))
    plan = make_plan_content(task, checks=checks)
    scan = make_scan(plan)
    assert scan is not None
    answers = [make_answer(json.dumps({"reply": text}) if output == "json" else text) for text in texts]
    stored = [answer.text for answer in scan.apply(answers)]
    return [json.loads(text)["reply"] for text in stored] if output == "json" else stored


def expect(text: PlantedText) -> str:
    """Return the text with the kind of each planted value in its place."""
    written = text.text
    for value in reversed(text.planted):
        written = f"{written[: value.start]}<{KINDS[value.kind]}>{written[value.end :]}"
    return normalise(written)[0]


@pytest.fixture(scope="module")
def found() -> Mapping[tuple[str, str], list[bool]]:
    """Whether each planted value was found, by kind and place."""
    results: dict[tuple[str, str], list[bool]] = defaultdict(list)
    texts = planted_texts()
    for place in CLEANED:
        here = [text for text in texts if text.place == (place if place in PLACES else "prediction")]
        for text, cleaned in zip(here, clean(place, [text.text for text in here]), strict=True):
            right = SECRETS.sub("<SECRET>", cleaned) == expect(text)
            for value in text.planted:
                results[value.kind, place].append(right)
    return results


@pytest.mark.parametrize("kind", KINDS)
def test_planted_values_are_redacted(kind, found) -> None:
    for place in CLEANED:
        report(f"{kind} in {place}", found[kind, place])
    everywhere = [right for place in CLEANED for right in found[kind, place]]
    report(kind, everywhere)
    assert min(len(found[kind, place]) for place in CLEANED) > 0
    assert sum(everywhere) >= 0.98 * len(everywhere)


def report(name: str, results: Sequence[bool]) -> None:
    interval = wilson_interval(sum(results), len(results))
    print(f"{name}: {sum(results)}/{len(results)} [{interval.low:.4f}, {interval.high:.4f}]")  # noqa: T201  # the proof's table


@pytest.mark.parametrize("place", CLEANED)
def test_clean_texts_stay_the_same(place) -> None:
    kinds = {text: kind for kind, texts in clean_texts_by_kind().items() for text in texts}
    # An answer without a match stays as the model wrote it.
    expected = [normalise(text)[0] if place in PLACES else text for text in kinds]
    changed = [
        (kind, cleaned)
        for kind, cleaned, same in zip(kinds.values(), clean(place, list(kinds)), expected, strict=True)
        if cleaned != same
    ]
    print(f"changed in {place}: {len(changed)} of {len(kinds)}")  # noqa: T201  # the proof's table
    assert len(changed) <= 5, changed
