"""Clean texts: 5,000 texts without personal data, which a redactor of personal data leaves as they are.

They are written from public descriptions of formats (ISO 8601, ISO 4217, ISO 6709, CLDR, SemVer, RFC 9562, GS1, ISBN,
UPU S10) and not from our rules, so that they can measure the rules. A test fixes their digest.
"""

import re

from .clean import (
    arithmetic,
    code,
    games,
    identifiers,
    languages,
    logs,
    measures,
    money,
    references,
    tables,
    tickets,
    times,
)
from .clean.draw import Draw, Kind

COUNT = 5000
_MODULES = (arithmetic, measures, times, money, code, logs, identifiers, references, games, tables, languages, tickets)
_LEADS = (
    "What is wrong here?", "From the notes:", "This is what I get:", "For the record:", "Before:", "See below.",
    "Das steht im Protokoll:", "Voici le détail :", "Output:", "Expected:", "Note", "Example ⟨n 1-90⟩:",
)  # fmt: skip

# What a person would take for an address, a phone or an id, although it was drawn by chance: another text is drawn.
_DOUBTFUL = re.compile(
    r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])"  # four parts, as an IPv4 address
    r"|(?<![\d-])\d{3}[-. ]\d{2,3}[-. ]\d{4}(?![\d-])"  # as a phone or a social security number of the United States
    r"|\+\d{8}"  # as an international phone number
)
_CARD = re.compile(r"(?<!\d)(?:\d{13,19}|\d{4}(?:[ -]\d{4}){3}|\d{4}[ -]\d{6}[ -]\d{4,5})(?!\d)")


def clean_texts() -> list[str]:
    """Return the 5,000 texts, all different, always the same ones in the same order."""
    return [text for texts in clean_texts_by_kind().values() for text in texts]


def clean_texts_by_kind() -> dict[str, list[str]]:
    """Return the texts by the name of their kind, as many of each kind as of another, give or take one."""
    kinds = {name: kind for module in _MODULES for name, kind in module.KINDS.items()}
    share, more = divmod(COUNT, len(kinds))
    seen: set[str] = set()
    return {name: _draw(name, kind, share + (place < more), seen) for place, (name, kind) in enumerate(kinds.items())}


def _draw(name: str, kind: Kind, count: int, seen: set[str]) -> list[str]:
    """Return so many texts of a kind that were not seen, drawn with its name as the seed."""
    draw, texts = Draw(name), []
    for _ in range(100 * count):
        text = _led(draw, kind(draw).rstrip())
        if text not in seen and not _is_doubtful(text):
            seen.add(text)
            texts.append(text)
        if len(texts) == count:
            return texts
    message = f"the kind {name!r} has too few texts"
    raise ValueError(message)


def _led(draw: Draw, text: str) -> str:
    """Return the text, seldom with a line of introduction before it."""
    if draw.often(0.85):
        return text
    between = draw.pick("\n", "\n\n") if "\n" in text else draw.pick(" ", "\n")
    return draw.fill(draw.pick(*_LEADS)) + between + text


def _is_doubtful(text: str) -> bool:
    return bool(_DOUBTFUL.search(text)) or any(_passes_luhn(run) for run in _CARD.findall(text))


def _passes_luhn(run: str) -> bool:
    """Whether the digits pass the check of ISO/IEC 7812, as those of a card do."""
    digits = [int(character) for character in run if character.isdigit()]
    digits[-2::-2] = [2 * digit - 9 * (digit > 4) for digit in digits[-2::-2]]
    return sum(digits) % 10 == 0
