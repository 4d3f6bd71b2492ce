"""Similarity: which texts are nearly the same, by the Jaccard similarity of their sets of character 5-grams."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

Shingles = npt.NDArray[np.uint64]
"""The 5-grams of a text as 64-bit hashes, each once, sorted."""

_SHINGLE = 5
_HASH_FACTORS = np.array([pow(0x9E3779B97F4A7C15, place, 1 << 64) for place in range(1, _SHINGLE + 1)], np.uint64)
_PERMUTATIONS = 256
_SEED = 20
_SKETCH_ROWS = 5_000
_MISSED = 1e-3  # share of the pairs of just the similarity asked for that bands may overlook
_SKETCH_ERROR = 0.2  # a sketch of 200 permutations or more is six standard deviations nearer than that
_NOT_ALPHANUMERIC = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts, by their place in the sequence, and their similarity."""

    first: int
    second: int
    similarity: float


def comparable(text: str) -> str:
    """Give the form in which texts are compared: casefolded, words and numbers alone; signs alone stay as they are."""
    return _NOT_ALPHANUMERIC.sub(" ", text.casefold()).strip() or text


def shingle(text: str) -> Shingles:
    """Give the 5-grams of a comparable text; a shorter text is its own only one."""
    letters = np.frombuffer(text.ljust(_SHINGLE, "\0").encode("utf-32-le"), "<u4")
    grams = np.lib.stride_tricks.sliding_window_view(letters, _SHINGLE)
    return np.unique((grams * _HASH_FACTORS).sum(axis=1, dtype=np.uint64))


def jaccard(first: Shingles, second: Shingles) -> float:
    """Give the share of the grams of either that both have."""
    common = np.intersect1d(first, second, assume_unique=True).size
    return float(common / (first.size + second.size - common))


def find_near_pairs(texts: Sequence[str], similarity: float) -> list[Pair]:
    """Find the pairs of comparable texts that are at least so similar.

    Sketches (MinHash) propose candidates, of which exact similarity decides: no pair is wrong, and at most one in a
    thousand is overlooked.
    """
    shingles = [shingle(text) for text in texts]
    found = (Pair(one, two, jaccard(shingles[one], shingles[two])) for one, two in _propose(shingles, similarity))
    return [pair for pair in found if pair.similarity >= similarity]


def label_components(size: int, pairs: Sequence[Pair]) -> list[int]:
    """Give each place the number of its connected component."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first, second = [pair.first for pair in pairs], [pair.second for pair in pairs]
    graph = coo_array((np.ones(len(pairs)), (first, second)), shape=(size, size))
    return [int(label) for label in connected_components(graph, directed=False)[1]]


def _propose(shingles: Sequence[Shingles], similarity: float) -> Iterator[tuple[int, int]]:
    """Give the places of texts whose sketches agree in a whole band, and nearly enough in all."""
    rows = _rows_per_band(similarity)
    sketches = _sketch(shingles, _PERMUTATIONS // rows * rows)
    proposed = [_join_on(sketches[:, start : start + rows]) for start in range(0, sketches.shape[1], rows)]
    for first, second in pl.concat(proposed).unique().sort("first", "second").iter_rows():
        if np.mean(sketches[first] == sketches[second]) >= similarity - _SKETCH_ERROR:
            yield first, second


def _sketch(shingles: Sequence[Shingles], permutations: int) -> npt.NDArray[np.uint32]:
    from rensa import RMinHash

    sketches = np.empty((len(shingles), permutations), np.uint32)
    for start in range(0, len(shingles), _SKETCH_ROWS):
        some = shingles[start : start + _SKETCH_ROWS]
        offsets = np.cumsum([0, *(one.size for one in some)], dtype=np.uint64)
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(np.concatenate(some), offsets, permutations, _SEED)
        sketches[start : start + _SKETCH_ROWS] = matrix.to_rows()
    return sketches


def _join_on(band: npt.NDArray[np.uint32]) -> pl.DataFrame:
    """Give the pairs of places where the band is the same."""
    values = pl.DataFrame(band, schema=[f"{number}" for number in range(band.shape[1])])
    places = values.with_row_index("first")
    pairs = places.join(places.rename({"first": "second"}), on=values.columns)
    return pairs.filter(pl.col("first") < pl.col("second")).select("first", "second")


def _rows_per_band(similarity: float) -> int:
    """Give the longest bands (the fewest false candidates) that still find pairs of this similarity."""
    return next(
        (rows for rows in range(16, 1, -1) if (1 - similarity**rows) ** (_PERMUTATIONS // rows) <= _MISSED),
        1,
    )
