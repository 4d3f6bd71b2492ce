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
_RUN = re.compile(r"\s{2,}|[^\S \n]")

# All but the plain one, tabs, and that of Chinese and Japanese, which aligns their columns.
_OTHER_SPACES = r"\x0b\x0c\r\x1c-\x1f\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f"
_UNTIDY = rf"[{_OTHER_SPACES}]|[\t \u3000]\n|\A[\t\n \u3000]|[\t\n \u3000]\z"
_RUNS = rf"[\t\u3000{_OTHER_SPACES}]|  | \n|\n |\n\n\n"
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
    """Remove control characters other than tabs and line ends; those that separate become line ends."""
    return _CONTROL.sub(lambda found: "\n" if found.group().isspace() else "", text)


def remove_invisible_characters(text: str) -> str:
    """Remove invisible characters, except joiners."""
    return _INVISIBLE.sub("", text)


def compose_characters(text: str) -> str:
    """Compose letters and their marks into one character if there is one (NFC)."""
    return unicodedata.normalize("NFC", text)


def tidy_whitespace(text: str) -> str:
    """Use one kind of space and line end, and none at the ends of lines and text.

    Indentation, tabs and runs of spaces stay, because code and tables need them. So does the indentation of the first
    of several lines.
    """
    lines = re.sub(f"[{_OTHER_SPACES}]", " ", _LINE_END.sub("\n", text)).split("\n")
    text = "\n".join(line.rstrip() for line in lines).strip("\n")
    return text if "\n" in text else text.strip()


def flatten(text: str) -> str:
    """Write each run of white space as one space, one line end, or one blank line."""
    return _RUN.sub(_shorten, text)


def flatten_texts(texts: pl.Series) -> pl.Series:
    """Return `flatten` of each text."""
    positions = texts.str.contains(_RUNS).arg_true()
    return texts.clone().scatter(positions, [flatten(text) for text in texts.gather(positions)])


def list_offsets(text: str) -> list[int]:
    """Return the offset in the text of each character of its flat form."""
    offsets: list[int] = []
    end = 0
    for run in _RUN.finditer(text):
        offsets += [*range(end, run.start()), *range(run.start(), run.start() + len(_shorten(run)))]
        end = run.end()
    return [*offsets, *range(end, len(text))]


def _shorten(run: re.Match[str]) -> str:
    return (" ", "\n", "\n\n")[min(run.group().count("\n"), 2)]


def single_spaces(text: str) -> str:
    """Write one space for each run of spaces and tabs, and at most one blank line; none at the ends."""
    return flatten(_LINE_END.sub("\n", text)).strip()


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
    "control_characters": Operation(2, remove_control_characters, _holds(_CONTROL.pattern)),
    "invisible_characters": Operation(1, remove_invisible_characters, _holds(_INVISIBLE.pattern), leaves_ascii=True),
    "nfc": Operation(1, compose_characters, _looks_decomposed, leaves_ascii=True),
    "whitespace": Operation(2, tidy_whitespace, _holds(_UNTIDY)),
    "single_spaces": Operation(1, single_spaces, _holds(rf"{_RUNS}|{_UNTIDY}")),
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
