"""Labels: the form in which values of a small set are compared, such as the values of an answer or a slice."""

import unicodedata

_JOINERS = "\u200c\u200d"  # emoji and several scripts need them


def tidy_label(value: str) -> str:
    """Write a value without what no reader sees: in NFC, with single spaces, and without invisible characters."""
    visible = "".join(
        char for char in value if char.isspace() or char in _JOINERS or unicodedata.category(char) not in ("Cc", "Cf")
    )
    return " ".join(unicodedata.normalize("NFC", visible).split())
