"""Similarity: which texts are nearly the same, by the Jaccard similarity of their sets of character 5-grams.

Sketches (MinHash, Broder 1997) cut into bands (locality-sensitive hashing) propose pairs, of which exact similarity
decides.
"""

import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

Shingles = npt.NDArray[np.uint64]
"""5-grams of a text as 64-bit hashes, each once, sorted."""

_SHINGLE = 5
_FACTORS = np.array([pow(0x9E3779B97F4A7C15, place, 1 << 64) for place in range(1, _SHINGLE + 1)], np.uint64)
_BAND_FACTORS = np.array([pow(0xD6E8FEB86659FD93, place, 1 << 64) for place in range(1, 129)], np.uint64)
_PERMUTATIONS = 128
_SEED = 20
_SKETCHED_AT_ONCE = 256  # what they make stays in the cache of a core: half the time of 4,096
_MISSED = 2e-3  # share of the pairs of just the similarity asked for that bands may overlook
_SKETCH_ERROR = 0.2  # a sketch of 100 permutations or more is four standard deviations nearer than that, or better
_NOT_ALPHANUMERIC = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Sketches:
    """What texts are proposed by.

    Attributes:
        bands: One hash for each band of a text's sketch, shape (bands, texts): texts that agree in one are compared.
        marks: The lowest byte of each permutation's minimum, shape (texts, permutations): the share of equal ones
            estimates the similarity.
    """

    bands: npt.NDArray[np.uint64]
    marks: npt.NDArray[np.uint8]


def comparable(text: str) -> str:
    """Return the form in which texts are compared: casefolded words and numbers; a text of signs alone is unchanged."""
    return _NOT_ALPHANUMERIC.sub(" ", text.casefold()).strip() or text


def comparable_texts(texts: pl.Series) -> pl.Series:
    """Return `comparable` of each text; of nothing, nothing."""
    # One blank by itself stays as it is: to put another in its place for every word takes most of the time.
    plain = pl.col("text").str.to_lowercase().str.replace_all("[^0-9a-z]{2,}|[^0-9a-z ]", " ").str.strip_chars(" ")
    is_plain = (pl.col("text").str.len_bytes() == pl.col("text").str.len_chars()) & (plain != "")
    frame = texts.alias("text").to_frame().select("text", key=pl.when(is_plain).then(plain))
    # Other letters by Python: its casefolding and its letters are not quite those of Polars.
    others = frame.with_row_index("place").filter(pl.col("key").is_null() & pl.col("text").is_not_null())
    keys = [comparable(text) for text in others["text"]]
    return frame["key"].scatter(others["place"], pl.Series(keys, dtype=pl.String)) if keys else frame["key"]


def shingle_texts(texts: Sequence[str]) -> list[Shingles]:
    """Return the 5-grams of comparable texts; a shorter text is its own only one."""
    grams, ends = _shingle_all(texts)
    return [_once_each(grams[start:end]) for start, end in pairwise(ends.tolist())]


def jaccard(first: Shingles, second: Shingles) -> float:
    """Return the share of the grams of either that both have."""
    both = np.sort(np.concatenate([first, second]))
    common = int(np.count_nonzero(both[1:] == both[:-1]))
    return common / (both.size - common)


def sketch_texts(texts: Sequence[str], similarity: float) -> Sketches:
    """Return the sketches of comparable texts, with bands for finding pairs of this similarity or more.

    Of the pairs of just that similarity, two in a thousand share no band; of more similar ones, fewer.
    """
    width = _rows_per_band(similarity)
    count = _PERMUTATIONS // width
    bands = np.empty((count, len(texts)), np.uint64)
    marks = np.empty((len(texts), count * width), np.uint8)
    for start in range(0, len(texts), _SKETCHED_AT_ONCE):
        minima = _sketch(texts[start : start + _SKETCHED_AT_ONCE], count * width)
        end = start + len(minima)
        mixed = (minima.reshape(len(minima), count, width) * _BAND_FACTORS[:width]).sum(axis=2, dtype=np.uint64)
        bands[:, start:end] = mixed.T
        marks[start:end] = minima.astype(np.uint8)
    return Sketches(bands, marks)


def may_be_similar(
    first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8], similarity: float
) -> npt.NDArray[np.bool_]:
    """Tell of pairs of marks, one a line, whether the texts may be as similar as that."""
    estimate: npt.NDArray[np.float64] = (first == second).mean(axis=1)
    return estimate >= similarity - _SKETCH_ERROR


def _once_each(grams: Shingles) -> Shingles:
    """Return `np.unique` of grams, which for so few would make a hash table first, at ten times the cost."""
    ordered = np.sort(grams)
    is_new = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=is_new[1:])
    return ordered[is_new]


def _shingle_all(texts: Sequence[str]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Return the 5-grams of all texts in a row, repeated ones too, and where each text's begin and the last ends."""
    padded = [text.ljust(_SHINGLE, "\0") for text in texts]
    letters = np.frombuffer("".join(padded).encode("utf-32-le"), "<u4").astype(np.uint64)
    grams = np.zeros(len(letters) - _SHINGLE + 1, np.uint64)
    for place, factor in enumerate(_FACTORS):
        grams += letters[place : place + len(grams)] * factor
    lengths = np.array([len(text) for text in padded])
    within = np.ones(len(grams), np.bool_)
    ends = np.cumsum(lengths)
    # Grams that begin in one text and end in the next are none.
    for back in range(1, _SHINGLE):
        within[ends[:-1] - back] = False
    return grams[within], np.concatenate([[0], np.cumsum(lengths - _SHINGLE + 1)]).astype(np.uint64)


def _sketch(texts: Sequence[str], permutations: int) -> npt.NDArray[np.uint64]:
    from rensa import RMinHash

    matrix = RMinHash.digest_matrix_from_flat_token_hashes(*_shingle_all(texts), permutations, _SEED)
    # By an array of Python: numpy reads numbers out of lists at a third of the speed.
    flat = array("Q")
    for row in matrix.to_rows():
        flat.fromlist(row)
    return np.frombuffer(flat, np.uint64).reshape(len(texts), permutations)


def _rows_per_band(similarity: float) -> int:
    """Return the longest bands (the fewest false candidates) that still find pairs of this similarity."""
    return next(
        (rows for rows in range(16, 1, -1) if (1 - similarity**rows) ** (_PERMUTATIONS // rows) <= _MISSED),
        1,
    )
