"""Plain text: digits and signs of all scripts in ASCII at the same offsets, so that no letter hides what it touches."""

import unicodedata

_SIGNS = {
    " ": "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000",
    "-": "\u00ad\u2010-\u2015\u200b\u2060\u2212\u30fc\ufe63\uff0d",  # also what only breaks a line
    "(": "\uff08\uff3b",
    ")": "\uff09\uff3d",
    "+": "\ufe62\uff0b",
    ".": "\uff0e",
    "@": "\ufe6b\uff20",
    "/": "\u2044\u2215\uff0f",
}
LATIN = "A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff"
"""Letters of the Latin script, inside a regular expression's class; those of no other script are part of its words."""

_TO_ASCII = 0xFEE0  # from a full-width character
_NARROW = {code: code - _TO_ASCII for code in range(0xFF01, 0xFF5F)}
_HIDDEN = "\0"  # no letter, no blank and no sign that any pattern has


def _expand(characters: str) -> list[int]:
    """Return the code points of a regular expression's class of single characters and ranges."""
    codes = [ord(one) for one in characters if one != "-"]
    for at in range(1, len(characters) - 1):
        if characters[at] == "-":
            codes += range(ord(characters[at - 1]), ord(characters[at + 1]))
    return codes


def _read(foreign: str) -> str:
    """Return a digit of any script or a full-width letter in ASCII, and nothing of other characters."""
    digit = unicodedata.decimal(foreign, None)
    if digit is not None:
        return str(digit)
    return chr(ord(foreign) - _TO_ASCII) if "\uff21" <= foreign <= "\uff5a" and foreign.isalpha() else _HIDDEN


class _Table(dict[int, str]):
    """What to write for each code point; one that was not seen before is looked up once."""

    def __missing__(self, code: int) -> str:
        self[code] = chr(code) if code <= 127 else _read(chr(code))
        return self[code]


_TABLE = _Table({code: sign for sign, characters in _SIGNS.items() for code in _expand(characters)})


def write_plain(text: str) -> str:
    """Return a text of the same length in ASCII, with digits and separators of any script, and full-width letters.

    In it, expressions for the edges of words are right: a letter of another script is no part of what it touches.
    """
    return text if text.isascii() else text.translate(_TABLE)


def narrow(text: str) -> str:
    """Return a text of the same length with ASCII instead of full-width letters, digits and signs."""
    return text if text.isascii() else text.translate(_NARROW)


def spell(signs: str) -> str:
    """Return the inside of a regular expression's class, for Python and Rust: these signs in all scripts."""
    return "".join(f"\\{sign}{_SIGNS.get(sign, '')}" for sign in signs)
