"""2,000 texts with planted personal data and credentials, to measure how much of it the checks find.

The set is written from public descriptions of the formats (`planted_values`), never from the rules that it measures,
and a test pins it: change a rule when it misses a value, not the set.
"""

import random
import tomllib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from tests.texts.planted_values import (
    COUNTRIES,
    NAMES,
    Value,
    make_card,
    make_email,
    make_iban,
    make_ip,
    make_key,
    make_password,
    make_phone,
    make_private_key,
)

SIZE = 2000

_SEED = 20261122
_MAKERS = {
    "phone": make_phone,
    "email": make_email,
    "card": make_card,
    "iban": make_iban,
    "ip": make_ip,
    "key": make_key,
    "password": make_password,
    "private_key": make_private_key,
}
_SHARES = {"phone": 36, "email": 14, "card": 13, "iban": 12, "ip": 11, "key": 7, "password": 5, "private_key": 2}
# Next to letters with accents, no reader sees where a mail address, a password or a key begins and ends.
_ACCENTED = ("de", "fr", "es", "pl")
_SEEN_NEXT_TO_ACCENTS = ("phone", "card", "iban", "ip")
_PLACES = {"text": 23, "turn": 23, "answer": 23, "prediction": 23, "system": 8}
_LANGUAGES = {
    "US": ("en", "en", "es", "zh", "ko"),
    "GB": ("en", "en", "pl", "ar", "th"),
    "DE": ("de", "de", "th"),
    "FR": ("fr", "fr", "ar"),
    "ES": ("es",),
    "PL": ("pl",),
    "RU": ("ru",),
    "JP": ("ja", "ja", "th"),
    "CN": ("zh",),
    "KR": ("ko",),
    "IL": ("he", "ar", "ru"),
    "IN": ("en", "hi"),
}


@dataclass(frozen=True)
class Planted:
    """A planted value and where it is.

    Args:
        kind: `phone`, `email`, `card`, `iban`, `ip`, `key`, `password` or `private_key`.
        country: Whose form it has, by ISO 3166.
        value: The value as it is in the text.
        start: Offset of its first character.
        end: Offset behind its last character.
        with_country_code: Of telephones; None otherwise.
        touching: Whether a letter of another script, or one with an accent, is next to it without a blank.
    """

    kind: str
    country: str
    value: str
    start: int
    end: int
    with_country_code: bool | None
    touching: bool


@dataclass(frozen=True)
class PlantedText:
    """A text with planted values, and where it is found: in a `text`, `turn`, `system`, `answer` or `prediction`."""

    text: str
    place: str
    planted: tuple[Planted, ...]


def planted_texts() -> list[PlantedText]:
    """Return the 2,000 distinct texts, the same ones each time; in a third of them the first value touches letters."""
    rng = random.Random(_SEED)
    texts: dict[str, PlantedText] = {}
    for number in count():
        if len(texts) == SIZE:
            break
        made = _write(rng, COUNTRIES[number % len(COUNTRIES)], touching=rng.random() < 0.35)
        texts.setdefault(made.text, made)
    return list(texts.values())


def _write(rng: random.Random, country: str, *, touching: bool) -> PlantedText:
    frames = _read_frames()
    language = rng.choice([name for name in _LANGUAGES[country] if frames[name]["touching"] or not touching])
    says = frames[language]
    place = _draw(rng, _PLACES)
    sentence = _say(rng, country, language, place, touching=touching)
    if place == "prediction" and rng.random() < 0.4:
        return _finish(_report(rng, sentence), place)
    pieces = [sentence]
    if rng.random() < 0.12:
        kind = sentence.values[0][1].kind
        pieces.append(_say(rng, country, language, place, touching=False, other_than=kind))
    if place in ("text", "turn"):
        last = [_sign(rng, country, says)] if rng.random() < 0.12 else _some(rng, says["closers"])
        pieces = [*_some(rng, says["openers"]), *pieces, *last]
    else:
        first = [_Piece(says["system"])] if place == "system" else _some(rng, says["agent_openers"])
        pieces = [*first, *pieces]
    return _finish(_join(pieces, "" if language in ("ja", "zh") else " "), place)


@dataclass(frozen=True)
class _Piece:
    """A part of a text, with the offsets of its values."""

    text: str
    values: tuple[tuple[int, Value], ...] = ()

    def shift(self, by: int) -> Iterator[tuple[int, Value]]:
        return ((start + by, value) for start, value in self.values)

    def wrap(self, before: str, after: str) -> "_Piece":
        return _Piece(before + self.text + after, tuple(self.shift(len(before))))


def _say(
    rng: random.Random, country: str, language: str, place: str, *, touching: bool, other_than: str = ""
) -> _Piece:
    """Return a sentence with a value."""
    says = _read_frames()[language]
    of_customer = place in ("text", "turn")
    kinds = _SEEN_NEXT_TO_ACCENTS if touching and language in _ACCENTED else _SHARES
    kind = _draw(rng, {kind: _SHARES[kind] for kind in kinds if kind != other_than})
    value = _MAKERS[kind](rng, country)
    if kind == "private_key":
        return _Piece(f"{says['nouns'][kind]}:\n{value.text}\n", ((len(says["nouns"][kind]) + 2, value),))
    if not touching:
        return _put(rng.choice(says[kind] if of_customer else says["agent"]), says["nouns"][kind], value)
    said = _put(rng.choice(says["touching"]), says["nouns"][kind], value)
    if of_customer:
        return said
    before, after = says["quote"].split("{text}")
    return said.wrap(before, after)


def _put(frame: str, noun: str, value: Value) -> _Piece:
    before, after = frame.replace("{noun}", noun).split("{value}")
    return _Piece(before[:1].upper() + before[1:], ((len(before), value),)).wrap("", value.text + after)


def _sign(rng: random.Random, country: str, says: dict[str, Any]) -> _Piece:
    """Return a signature with a mail address or a telephone, whose groups show what it is."""
    name = rng.choice(NAMES[country])
    value = make_phone(rng, country)
    if value.text.isdigit() or rng.random() < 0.5:
        value = make_email(rng, country, name)
    before = f"{rng.choice(says['closers'])}\n{name}\n"
    return _Piece(before + value.text, ((len(before), value),))


def _report(rng: random.Random, sentence: _Piece) -> _Piece:
    """Return the object that a model was asked for: a field with the value alone, or a summary with the sentence."""
    category = rng.choice(("delivery", "billing", "account", "technical"))
    ((start, value),) = sentence.values
    if value.kind == "private_key":
        return sentence.wrap(f"category: {category}\n", "")
    if _touches(sentence.text, start, value.text):
        return sentence.wrap(f'{{"category": "{category}", "summary": "', '"}')
    field = {"ip": "ip_address", "key": "api_key"}.get(value.kind, value.kind)
    return _Piece(value.text, ((0, value),)).wrap(f'{{"category": "{category}", "{field}": "', '"}')


def _join(pieces: list[_Piece], separator: str) -> _Piece:
    joined = pieces[0]
    for piece in pieces[1:]:
        blank = "" if joined.text.endswith("\n") else _blank(joined, separator)
        before = joined.text + blank
        joined = _Piece(before + piece.text, (*joined.values, *piece.shift(len(before))))
    return joined


def _blank(joined: _Piece, separator: str) -> str:
    """Return what is between two sentences: a new line after one that ends without a full stop."""
    return separator if unicodedata.normalize("NFKC", joined.text[-1]) in ".!?\u3002\u0964" else "\n"


def _finish(piece: _Piece, place: str) -> PlantedText:
    text = piece.text.rstrip("\n")
    planted = (
        Planted(
            value.kind,
            value.country,
            value.text,
            start,
            start + len(value.text),
            value.with_country_code,
            _touches(text, start, value.text),
        )
        for start, value in piece.values
    )
    return PlantedText(text, place, tuple(planted))


def _touches(text: str, start: int, value: str) -> bool:
    around = text[max(start - 1, 0) : start] + text[start + len(value) : start + len(value) + 1]
    return any(not letter.isascii() and unicodedata.category(letter)[0] in "LM" for letter in around)


def _some(rng: random.Random, sentences: list[str]) -> list[_Piece]:
    return [_Piece(rng.choice(sentences))] if rng.random() < 0.6 else []


def _draw(rng: random.Random, shares: dict[str, int]) -> str:
    return rng.choices(tuple(shares), tuple(shares.values()))[0]


@cache
def _read_frames() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("planted_frames.toml").read_text(encoding="utf-8"))
