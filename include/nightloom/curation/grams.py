"""Grams: n-grams of comparable texts as hashes, of words, or of characters where blanks do not separate words."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from polars_hash import NonCryptographicHashingNameSpace

Hashes = npt.NDArray[np.uint64]
Positions = npt.NDArray[np.int64]

IDEOGRAPHS, LETTERS = 2, 4
"""Characters that count as one word, in the scripts of China and Japan, and in those of South-East Asia."""

UNITS = (0, IDEOGRAPHS, LETTERS)
"""Characters that count as one word; 0 for words themselves."""

_SCRIPTS = {
    IDEOGRAPHS: r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Yi}\u30fc\uff70]",
    LETTERS: (
        r"[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tai_Le}\p{New_Tai_Lue}\p{Tai_Tham}\p{Tai_Viet}"
        r"\p{Javanese}\p{Balinese}]"
    ),
}
_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 1 << 64)
_SLOTS_BITS = 22  # 4 million flags
_NUMBER = r"\d+(?: \d+)*"


def choose_units(texts: pl.Series) -> pl.Series:
    """Return for each text how many characters count as one word: 0 if blanks separate most of its words."""
    counts = {str(unit): texts.str.count_matches(script) for unit, script in _SCRIPTS.items()}
    ideographs, letters = (pl.col(str(unit)) for unit in _SCRIPTS)
    is_joined = ideographs + letters > pl.col("words")
    unit = pl.when(letters > ideographs).then(LETTERS).otherwise(IDEOGRAPHS)
    frame = pl.DataFrame({**counts, "words": texts.str.split(" ").list.len()})
    return frame.select(pl.when(is_joined).then(unit).otherwise(0).alias("unit"))["unit"]


def may_hold_unit(texts: pl.Series, unit: int) -> pl.Series:
    """Return whether each text has characters that count in this unit; every text has words."""
    return texts.str.contains(_SCRIPTS[unit]) if unit else pl.repeat(value=True, n=len(texts), eager=True)


def may_hold_numbers(texts: pl.Series) -> pl.Series:
    """Return whether `mask_numbers` changes each text."""
    return texts.str.contains(r"\d")


def mask_numbers(texts: pl.Series) -> pl.Series:
    """Write one sign for each number; numbers in a row, such as those of a date, become one sign."""
    return texts.str.replace_all(_NUMBER, "#")


class GramSet:
    """A set of grams for millions of look-ups: a table of bits rules out nearly all of them at once."""

    def __init__(self, grams: pl.Series) -> None:
        self._grams = np.sort(grams.to_numpy())
        self._slots = np.zeros(1 << _SLOTS_BITS, np.bool_)
        self._slots[self._grams >> np.uint64(64 - _SLOTS_BITS)] = True

    def find(self, grams: Hashes) -> Positions:
        """Return the positions of the grams that are in the set."""
        likely = np.flatnonzero(self._slots[grams >> np.uint64(64 - _SLOTS_BITS)])
        likely = likely[np.argsort(grams[likely])]  # in order, because far look-ups miss the processor's caches
        wanted = grams[likely]
        nearest = np.searchsorted(self._grams, wanted).clip(max=len(self._grams) - 1)
        return np.sort(likely[self._grams[nearest] == wanted])


@dataclass(frozen=True, slots=True)
class Sequences:
    """Texts as sequences of words or characters, one after the other.

    Attributes:
        unit: Characters that count as one word, or 0 for words.
        counts: Number of words or characters of each text.
        sums: Sums of all hashes so far, each times a power of the base.
        inverses: Powers of the base's inverse, modulo 2**64.
    """

    unit: int
    counts: Positions
    sums: Hashes
    inverses: Hashes

    @property
    def words(self) -> pl.Series:
        """Number of words of each text, as far as they are whole."""
        return pl.Series(self.counts // max(self.unit, 1))

    def list_grams(self, size: int, known: GramSet | None = None) -> pl.DataFrame:
        """Return text, start (positions) and gram of all n-grams, or of those that are known.

        Args:
            size: Words of a gram.
            known: The wanted grams, or None for all.
        """
        length = size * max(self.unit, 1)
        runs = max(len(self.inverses) - length + 1, 0)
        # A polynomial hash of the run's hashes, modulo 2**64, whatever its position.
        grams = (self.sums[length:] - self.sums[:runs]) * self.inverses[:runs]
        # The size is part of the hash, so that an 8-gram never equals a 12-gram.
        grams += np.uint64((256 * self.unit + size) * _BASE % (1 << 64))
        at = np.arange(runs) if known is None else known.find(grams)
        ends = np.cumsum(self.counts)
        text = np.searchsorted(ends, at, side="right").astype(np.uint32)
        start = (at - (ends - self.counts)[text]).astype(np.uint32)
        within = start + length <= self.counts[text]
        return pl.DataFrame({"text": text, "start": start, "gram": grams[at]}).filter(pl.Series(within))


def split_texts(texts: pl.Series, unit: int) -> Sequences:
    """Split comparable texts into words, or into characters if the unit is characters."""
    hashes, counts = _hash_characters(texts) if unit else _hash_words(texts)
    powers, inverses = (_list_powers(base, len(hashes)) for base in (_BASE, _INVERSE))
    sums = np.zeros(len(hashes) + 1, np.uint64)
    np.cumsum(hashes * powers, out=sums[1:])
    return Sequences(unit, counts, sums, inverses)


def _list_powers(base: int, count: int) -> Hashes:
    """Return the first powers of a number, modulo 2**64."""
    return np.cumprod(np.full(count, base, np.uint64), dtype=np.uint64)


def _hash_words(texts: pl.Series) -> tuple[Hashes, Positions]:
    words = texts.str.split(" ")
    counts = words.list.len().to_numpy().astype(np.int64)
    flat = words.explode().to_frame("word").select(NonCryptographicHashingNameSpace(pl.col("word")).xxhash64())
    return flat["word"].fill_null(0).to_numpy(), counts


def _hash_characters(texts: pl.Series) -> tuple[Hashes, Positions]:
    joined = texts.str.replace_all(" ", "", literal=True)
    codes = np.frombuffer("".join(joined.to_list()).encode("utf-32-le"), "<u4").astype(np.uint64)
    # Multiplied and shifted twice, all bits of a hash depend on all bits of the character.
    hashes = (codes + np.uint64(1)) * np.uint64(_BASE)
    hashes = (hashes ^ (hashes >> np.uint64(31))) * np.uint64(_INVERSE)
    return hashes ^ (hashes >> np.uint64(29)), joined.str.len_chars().to_numpy().astype(np.int64)
