"""Normalising: named operations that change how a text is written, but not its meaning."""

import re
import unicodedata
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache

import polars as pl

from nightloom.scanners.markup import read_html

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
# Soft hyphen, zero-width space, bidirectional overrides, word joiner, byte order mark, tags. Joiners stay, because
# emoji and several scripts need them.
_INVISIBLE = re.compile(
    "[\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_LINE_END = re.compile("\r\n?|[\u0085\u2028\u2029]")
_SPACES = re.compile(r"[^\S\n]+")
_BLANK_LINES = re.compile(r" ?\n ?(?:\n ?)*\n ?")
_LINE_EDGES = re.compile(r" ?\n ?")

_UNTIDY = (
    r"[\t\x0b\x0c\r\x1c-\x1f\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
    r"|  | \n|\n |\n\n\n|\A[ \n]|[ \n]\z"
)
# Classes that are wider in Python than in Rust: numbers such as ² are part of words, and separators are blank.
_CLASSES = {r"\w": r"\S", r"\s": r"[\s\x1c-\x1f]"}
_MARKUP = r"&[#A-Za-z][^;&]{1,32};|<[A-Za-z/!?]"


def fix_encoding(text: str) -> str:
    """Undo UTF-8 that was decoded with another encoding (`cafÃ©` becomes `café`)."""
    if text.isascii():
        return text
    import ftfy

    return str(ftfy.fix_encoding(text))


def remove_control_characters(text: str) -> str:
    """Remove control characters other than tabs and line ends."""
    return _CONTROL.sub("", text)


def remove_invisible_characters(text: str) -> str:
    """Remove invisible characters, except joiners."""
    return _INVISIBLE.sub("", text)


def compose_characters(text: str) -> str:
    """Compose letters and their marks into one character if there is one (NFC)."""
    return unicodedata.normalize("NFC", text)


def tidy_whitespace(text: str) -> str:
    """Use one kind of space and line end, at most one blank line, and none at the ends."""
    text = _SPACES.sub(" ", _LINE_END.sub("\n", text))
    return _LINE_EDGES.sub("\n", _BLANK_LINES.sub("\n\n", text)).strip()


def _looks_mojibake() -> pl.Expr:
    return pl.col("text").str.contains(_mojibake_expression())


def _looks_decomposed() -> pl.Expr:
    # Polars has a later Unicode version than Python, and text that is composed there is composed everywhere.
    return pl.col("text") != pl.col("text").str.normalize("NFC")


def _holds(expression: str) -> Callable[[], pl.Expr]:
    return lambda: pl.col("text").str.contains(expression)


@dataclass(frozen=True, slots=True)
class Operation:
    """A named change of a text. Its version is increased whenever its results may change."""

    version: int
    change: Callable[[str], str]
    suspects: Callable[[], pl.Expr]
    """Returns an expression on the column `text` that is true for every text that would change, and for few others."""
    leaves_ascii: bool = False
    """Whether pure ASCII texts never change."""


OPERATIONS: dict[str, Operation] = {
    "fix_encoding": Operation(1, fix_encoding, _looks_mojibake, leaves_ascii=True),
    "html": Operation(1, read_html, _holds(_MARKUP)),
    "control_characters": Operation(1, remove_control_characters, _holds(_CONTROL.pattern)),
    "invisible_characters": Operation(1, remove_invisible_characters, _holds(_INVISIBLE.pattern), leaves_ascii=True),
    "nfc": Operation(1, compose_characters, _looks_decomposed, leaves_ascii=True),
    "whitespace": Operation(1, tidy_whitespace, _holds(_UNTIDY)),
}
"""All operations in the order in which they run; the ledger holds their names for repaired rows."""

DEFAULT_OPERATIONS = ("fix_encoding", "control_characters", "invisible_characters", "nfc", "whitespace")
"""Operations of a recipe that does not choose any."""


def operation_versions(names: Collection[str]) -> dict[str, int]:
    """Return the versions of these operations, in the order in which they run."""
    return {name: operation.version for name, operation in OPERATIONS.items() if name in names}


def normalise(text: str, operations: Collection[str] = DEFAULT_OPERATIONS) -> tuple[str, tuple[str, ...]]:
    """Return the normalised text and the names of the operations that changed it.

    The operations repeat until none changes the text, since one may create work for an earlier one. A normalised text
    therefore stays unchanged.
    """
    chosen = [(name, operation.change) for name, operation in OPERATIONS.items() if name in operations]
    done: set[str] = set()
    before = None
    while text != before:
        before = text
        for name, change in chosen:
            changed = change(text)
            if changed != text:
                done.add(name)
            text = changed
    return text, tuple(name for name, _ in chosen if name in done)


def may_change(texts: pl.Series, operations: Collection[str]) -> pl.Series:
    """Return whether normalising may change each text: true for all that it changes, and some others.

    Args:
        texts: Without nulls.
        operations: Names of operations.
    """
    chosen = [operation for name, operation in OPERATIONS.items() if name in operations]
    frame = texts.to_frame("text")
    marked = _any_of(frame, [operation for operation in chosen if not operation.leaves_ascii])
    beyond = (texts.str.len_bytes() != texts.str.len_chars()).arg_true()
    foreign = _any_of(frame[beyond], [operation for operation in chosen if operation.leaves_ascii])
    return marked.scatter(beyond, marked.gather(beyond) | foreign)


def _any_of(frame: pl.DataFrame, operations: Collection[Operation]) -> pl.Series:
    suspects = [operation.suspects() for operation in operations]
    return frame.with_columns(marked=pl.any_horizontal(pl.lit(False), *suspects))["marked"]


@cache
def _mojibake_expression() -> str:
    """Return ftfy's expression for suspicious texts in Rust's syntax.

    In Rust's verbose mode, blanks within brackets are ignored, and brackets and ampersands must be escaped.
    """
    from ftfy.badness import BADNESS_RE

    written: list[str] = []
    within = False
    for part in re.findall(r"\\.|#[^\n]*|.", BADNESS_RE.pattern, re.DOTALL):
        opens, closes = part == "[" and not within, part == "]" and within
        if within or not (part.isspace() or part.startswith("#")):
            written.append(re.escape(part) if within and part in "[&~" else _CLASSES.get(part, part))
        within = (within or opens) and not closes
    return "".join(written)
