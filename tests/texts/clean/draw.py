"""Draw: random words and numbers, and templates that are filled with them.

A template has slots in ⟨ ⟩, a letter and what it takes:

- `⟨n 2-20⟩` a whole number, `⟨g 1000-90000⟩` one with grouped digits
- `⟨f 0-5.2⟩` a number with 2 decimals and a point, `⟨d 0-5.2⟩` one with the marks of the style (CLDR number formats)
- `⟨p ?*##-~⟩` a pattern: `?` is a capital letter, `*` a digit from 1 to 9, `#` a digit, `~` a hexadecimal digit
- `⟨t %Y-%m-%d⟩` a moment as strftime writes it
- `⟨w red|blue⟩` one of these words
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from string import ascii_uppercase, digits
from typing import NamedTuple, TypeVar

T = TypeVar("T")
_SLOT = re.compile(r"⟨(\w) ([^⟩]*)⟩")
_ENDS = ".!?。？।;"
_ALPHABETS = {"?": ascii_uppercase, "#": digits, "*": digits[1:], "~": digits + "abcdef"}
_FIRST_MOMENT = datetime(1987, 1, 1)  # noqa: DTZ001  # a text, and no time of ours


class Style(NamedTuple):
    """How a country writes numbers: the mark between groups of digits, and the mark of decimals."""

    group: str
    point: str


ENGLISH = Style(",", ".")
GERMAN = Style(".", ",")
FRENCH = Style("\u202f", ",")
SPACED = Style(" ", ",")
HARD_SPACED = Style("\u00a0", ",")
SWISS = Style("'", ".")
SWISS_CURLY = Style("’", ".")
PLAIN = Style("", ".")


class Draw:
    """Random words and numbers: the same ones for the same seed."""

    def __init__(self, seed: str) -> None:
        self.random = Random(seed)

    def n(self, low: int, high: int) -> int:
        """Return a whole number from low to high, both included."""
        return self.random.randint(low, high)

    def pick(self, *options: T) -> T:
        """Return one of these."""
        return self.random.choice(options)

    def often(self, share: float = 0.5) -> bool:
        """Return whether something happens that does in this share of draws."""
        return self.random.random() < share

    def pattern(self, pattern: str) -> str:
        """Return the pattern with a drawn character for each of `? # * ~`."""
        return "".join(self.random.choice(_ALPHABETS[c]) if c in _ALPHABETS else c for c in pattern)

    def moment(self) -> datetime:
        """Return a second between 1987 and 2034."""
        return _FIRST_MOMENT + timedelta(seconds=self.n(0, 1_500_000_000))

    def fill(self, template: str, style: Style = ENGLISH) -> str:
        """Return the template with its slots filled."""

        def draw(slot: re.Match[str]) -> str:
            return self._slot(slot[1], slot[2], style)

        return _SLOT.sub(draw, template)

    def _slot(self, letter: str, takes: str, style: Style) -> str:
        match letter:
            case "w":
                return self.pick(*takes.split("|"))
            case "p":
                return self.pattern(takes)
            case "t":
                return self.moment().strftime(takes)
        bounds, _, places = takes.partition(".")
        low, high = (int(bound) for bound in bounds.split("-"))
        match letter:
            case "n":
                return str(self.n(low, high))
            case "f":
                return write_number(self.n(low * 10 ** int(places), high * 10 ** int(places)), int(places), PLAIN)
            case "g" | "d":
                many = int(places or 0)
                return write_number(self.n(low * 10**many, high * 10**many), many, style)
        message = f"no such slot: {letter!r}"
        raise ValueError(message)


Kind = Callable[[Draw], str]


def write_number(value: int, places: int, style: Style) -> str:
    """Return a whole number of units of the last place: 123456 with 2 places is 1,234.56."""
    whole, rest = divmod(value, 10**places)
    text = f"{whole:,}".replace(",", style.group)
    return f"{text}{style.point}{rest:0{places}}" if places else text


def any_of(*templates: str, style: Style = ENGLISH, between: str = " ", joined: float = 0.4) -> Kind:
    """Return a kind that fills one of these templates, and in the share `joined` of texts two, one after the other."""

    def write(draw: Draw) -> str:
        if len(templates) == 1 or not draw.often(joined):
            return draw.fill(draw.pick(*templates), style)
        first, second = (draw.fill(one, style) for one in draw.random.sample(templates, 2))
        return first + (between if first[-1] in _ENDS else draw.pick("; ", "\n")) + second

    return write


def one_of(*templates: str, style: Style = ENGLISH) -> Kind:
    """Return a kind that fills one of these templates."""
    return any_of(*templates, style=style, joined=0)
