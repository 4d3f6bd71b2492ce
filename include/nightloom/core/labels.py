"""Labels: the form in which values of a small set are compared, such as the values of an answer or a slice."""

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache

_JOINERS = "\u200c\u200d"  # emoji and several scripts need them
# Joiners and choices between the forms of an emoji; hyphens, minus and apostrophes as keyboards have them.
_ALIKE = str.maketrans(
    dict.fromkeys(f"{_JOINERS}\ufe0e\ufe0f") | dict.fromkeys("\u2010\u2011\u2212", "-") | {"\u2019": "'"}
)


def tidy_label(value: str) -> str:
    """Write a value without what no reader sees: in NFC, with single spaces, and without invisible characters."""
    visible = "".join(
        char for char in value if char.isspace() or char in _JOINERS or unicodedata.category(char) not in ("Cc", "Cf")
    )
    return " ".join(unicodedata.normalize("NFC", visible).split())


def find_label(value: str, labels: Sequence[str]) -> str | None:
    """Return the label that a value means, or None: the same but for blanks, width of characters and kind of hyphen.

    Args:
        value: As it was received.
        labels: Tidy labels. Of several that differ only so, none is meant by a third form.
    """
    tidy = tidy_label(value)
    return tidy if tidy in labels else _index(tuple(labels)).get(_fold(tidy))


@lru_cache
def _index(labels: tuple[str, ...]) -> Mapping[str, str]:
    """Return labels by their folded form, without those of equal form."""
    forms = [_fold(label) for label in labels]
    counts = Counter(forms)
    return {form: label for form, label in zip(forms, labels, strict=True) if form and counts[form] == 1}


def _fold(label: str) -> str:
    folded = unicodedata.normalize("NFKC", label).translate(_ALIKE)
    return " ".join(unicodedata.normalize("NFC", folded).split())
