"""Normalising: named operations that change how a text is written, and nothing of what it says."""

import re
import unicodedata
from collections.abc import Callable

Operation = Callable[[str], str]

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
# Soft hyphen, zero width space, bidirectional overrides, word joiner, byte order mark, tags. Joiners stay: emoji and
# several scripts are written with them.
_INVISIBLE = re.compile(
    "[\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_LINE_END = re.compile("\r\n?|[\u0085\u2028\u2029]")
_SPACES = re.compile(r"[^\S\n]+")
_BLANK_LINES = re.compile(r" ?\n ?(?:\n ?)*\n ?")
_LINE_EDGES = re.compile(r" ?\n ?")


def fix_encoding(text: str) -> str:
    """Undo UTF-8 that was read as another encoding (`cafÃ©` becomes `café`)."""
    if text.isascii():
        return text
    import ftfy

    return str(ftfy.fix_encoding(text))


def remove_control_characters(text: str) -> str:
    """Remove control characters other than tabs and line ends."""
    return _CONTROL.sub("", text)


def remove_invisible_characters(text: str) -> str:
    """Remove characters that show nothing and join nothing."""
    return _INVISIBLE.sub("", text)


def compose_characters(text: str) -> str:
    """Write letters with their marks as one character where there is one (NFC)."""
    return unicodedata.normalize("NFC", text)


def tidy_whitespace(text: str) -> str:
    """Use one kind of space and line end, at most one blank line, and none at the ends."""
    text = _SPACES.sub(" ", _LINE_END.sub("\n", text))
    return _LINE_EDGES.sub("\n", _BLANK_LINES.sub("\n\n", text)).strip()


OPERATIONS: dict[str, Operation] = {
    "fix_encoding": fix_encoding,
    "control_characters": remove_control_characters,
    "invisible_characters": remove_invisible_characters,
    "nfc": compose_characters,
    "whitespace": tidy_whitespace,
}
"""In the order in which they are done; the names are what the ledger says of a repaired row."""


def normalise(text: str) -> tuple[str, tuple[str, ...]]:
    """Give the normalised text and the names of the operations that changed it."""
    done: list[str] = []
    for name, operation in OPERATIONS.items():
        changed = operation(text)
        if changed != text:
            done.append(name)
        text = changed
    return text, tuple(done)
