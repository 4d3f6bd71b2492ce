"""MinHash: signatures of texts and the Jaccard similarity of their character 5-grams, for finding near-duplicates.

MinHash signatures (Broder 1997), cut into bands (locality-sensitive hashing), propose pairs of texts. The exact
similarity then decides on each pair.
"""

import re
import unicodedata
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

Shingles = npt.NDArray[np.uint64]
"""5-grams of a text as 64-bit hashes, each once, sorted."""

_SHINGLE = 5
_FACTORS = np.array([pow(0x9E3779B97F4A7C15, position, 1 << 64) for position in range(1, _SHINGLE + 1)], np.uint64)
_BAND_FACTORS = np.array([pow(0xD6E8FEB86659FD93, position, 1 << 64) for position in range(1, 129)], np.uint64)
_PERMUTATIONS = 128
_SEED = 20
_TEXTS_AT_ONCE = 256  # their signatures fit in a core's cache: half the time of 4,096
_MISSED = 2e-3  # largest share of pairs with exactly the wanted similarity that bands may miss
_ESTIMATE_ERROR = 0.2  # at least four standard deviations of an estimate by 100 permutations or more


@dataclass(frozen=True, slots=True)
class Signatures:
    """MinHash signatures of texts, as far as they are needed.

    Attributes:
        bands: One hash for each band of a text's signature, shape (bands, texts). Texts that share one are compared.
        low_bytes: The lowest byte of each permutation's minimum, shape (texts, permutations). The share of equal bytes
            estimates the similarity.
    """

    bands: npt.NDArray[np.uint64]
    low_bytes: npt.NDArray[np.uint8]


def comparable(text: str) -> str:
    """Return the form in which texts are compared: casefolded words and numbers. A text without any stays unchanged."""
    return re.sub(rf"[^{_word_characters()}]+", " ", text.casefold().replace("_", " ")).strip() or text


def find_words(text: str) -> list[tuple[int, int]]:
    """Return start and end of the words and numbers of a text."""
    return [word.span() for word in re.finditer(rf"[{_word_characters()}]+", text.replace("_", " "))]


def comparable_texts(texts: pl.Series) -> pl.Series:
    """Return `comparable` of each text, null for null."""
    # A single blank is not replaced by a blank: doing so for every word takes most of the time.
    plain = pl.col("text").str.to_lowercase().str.replace_all("[^0-9a-z]{2,}|[^0-9a-z ]", " ").str.strip_chars(" ")
    is_plain = (pl.col("text").str.len_bytes() == pl.col("text").str.len_chars()) & (plain != "")
    frame = texts.alias("text").to_frame().select("text", key=pl.when(is_plain).then(plain))
    # Texts beyond ASCII go through Python: its casefolding and letters differ slightly from those of Polars.
    others = frame.with_row_index("position").filter(pl.col("key").is_null() & pl.col("text").is_not_null())
    keys = [comparable(text) for text in others["text"]]
    return frame["key"].scatter(others["position"], pl.Series(keys, dtype=pl.String)) if keys else frame["key"]


def shingle_texts(texts: Sequence[str]) -> list[Shingles]:
    """Return the 5-grams of comparable texts; a shorter text counts as one gram."""
    grams, ends = _shingle_all(texts)
    return [_once_each(grams[start:end]) for start, end in pairwise(ends.tolist())]


def jaccard(first: Shingles, second: Shingles) -> float:
    """Return the Jaccard similarity: common grams divided by all grams."""
    both = np.sort(np.concatenate([first, second]))
    common = int(np.count_nonzero(both[1:] == both[:-1]))
    return common / (both.size - common)


def compute_signatures(texts: Sequence[str], similarity: float) -> Signatures:
    """Return the signatures of comparable texts, with bands that find pairs of this similarity or more.

    Two in a thousand pairs with exactly this similarity share no band; among more similar pairs it is fewer.
    """
    width = _rows_per_band(similarity)
    count = _PERMUTATIONS // width
    bands = np.empty((count, len(texts)), np.uint64)
    low_bytes = np.empty((len(texts), count * width), np.uint8)
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        minima = _compute_minima(texts[start : start + _TEXTS_AT_ONCE], count * width)
        end = start + len(minima)
        mixed = (minima.reshape(len(minima), count, width) * _BAND_FACTORS[:width]).sum(axis=2, dtype=np.uint64)
        bands[:, start:end] = mixed.T
        low_bytes[start:end] = minima.astype(np.uint8)
    return Signatures(bands, low_bytes)


def may_be_similar(
    first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8], similarity: float
) -> npt.NDArray[np.bool_]:
    """Whether the estimated similarity of each pair of rows of low bytes allows this similarity."""
    estimate: npt.NDArray[np.float64] = (first == second).mean(axis=1)
    return estimate >= similarity - _ESTIMATE_ERROR


def _once_each(grams: Shingles) -> Shingles:
    """Return the unique grams. For so few, `np.unique` takes ten times as long: it builds a hash table first."""
    ordered = np.sort(grams)
    is_new = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=is_new[1:])
    return ordered[is_new]


def _shingle_all(texts: Sequence[str]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Return the 5-grams of all texts in sequence, repeated ones too, and the offsets where each text's grams begin."""
    padded = [text.ljust(_SHINGLE, "\0") for text in texts]
    letters = np.frombuffer("".join(padded).encode("utf-32-le"), "<u4").astype(np.uint64)
    grams = np.zeros(len(letters) - _SHINGLE + 1, np.uint64)
    # A polynomial hash of five characters, modulo 2**64, at every position at once.
    for position, factor in enumerate(_FACTORS):
        grams += letters[position : position + len(grams)] * factor
    lengths = np.array([len(text) for text in padded])
    within = np.ones(len(grams), np.bool_)
    ends = np.cumsum(lengths)
    # Drop grams that begin in one text and end in the next.
    for back in range(1, _SHINGLE):
        within[ends[:-1] - back] = False
    return grams[within], np.concatenate([[0], np.cumsum(lengths - _SHINGLE + 1)]).astype(np.uint64)


def _compute_minima(texts: Sequence[str], permutations: int) -> npt.NDArray[np.uint64]:
    from rensa import RMinHash

    matrix = RMinHash.digest_matrix_from_flat_token_hashes(*_shingle_all(texts), permutations, _SEED)
    # Through a Python array: numpy reads numbers from lists at a third of the speed.
    flat = array("Q")
    for row in matrix.to_rows():
        flat.fromlist(row)
    return np.frombuffer(flat, np.uint64).reshape(len(texts), permutations)


@cache
def _word_characters() -> str:
    """Return letters, digits and their marks, such as the vowels of Hindi and Thai, as a class of expressions.

    Marks beyond the first 65,536 characters are left out: they would take ten times as long.
    """
    marks = (chr(code) for code in range(1 << 16) if unicodedata.category(chr(code)) in ("Mn", "Mc"))
    # Variation selectors follow emoji, too.
    return r"\w" + "".join(mark for mark in marks if "VARIATION" not in unicodedata.name(mark, ""))


def _rows_per_band(similarity: float) -> int:
    """Return the most rows per band (fewest false candidates) that still find pairs of this similarity."""
    return next(
        (rows for rows in range(16, 1, -1) if (1 - similarity**rows) ** (_PERMUTATIONS // rows) <= _MISSED),
        1,
    )
