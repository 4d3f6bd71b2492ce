"""Contamination: overlap of training rows with evaluation items, in word n-grams of 8, 12 and 13.

A row is refused when it holds most of an item's 8-grams, or an item holds most of its 8-grams. Afterwards the overlap
of each item with all remaining rows together is measured, which separates clean items from contaminated ones. Size 13
is GPT-3's (Brown et al. 2020, appendix C), 8 is PaLM's (Chowdhery et al. 2022, section 8), and 12 lies between.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl
from polars_hash import NonCryptographicHashingNameSpace

from nightloom.artifacts.frames import CONTAMINATION

SIZES = (8, 12, 13)

Grams = npt.NDArray[np.uint64]

_FACTORS = np.array([pow(0x9E3779B97F4A7C15, position, 1 << 64) for position in range(1, max(SIZES) + 1)], np.uint64)
_SLOTS_BITS = 22  # 4 million flags
_ROWS_AT_ONCE = 16_384
_WORD = re.compile(r"[^\W_]+")

_REPEATED = {"position": pl.UInt32, "gram": pl.UInt64}


def list_grams(texts: pl.Series, size: int) -> pl.DataFrame:
    """Return all word n-grams of comparable texts: text and word (positions) and gram (a hash)."""
    words = texts.str.split(" ")
    counts = words.list.len().to_numpy().astype(np.int64)
    flat = words.explode().to_frame("word").select(NonCryptographicHashingNameSpace(pl.col("word")).xxhash64())
    hashes = flat["word"].fill_null(0).to_numpy()
    runs = max(len(hashes) - size + 1, 0)
    # The size is part of the hash, so that an 8-gram never equals a 12-gram.
    grams = np.full(runs, size, np.uint64) * _FACTORS[-1]
    # A polynomial hash of the words' hashes, modulo 2**64.
    for position in range(size):
        grams += hashes[position : position + runs] * _FACTORS[position]
    text = np.repeat(np.arange(len(texts), dtype=np.uint32), counts)[:runs]
    starts = np.cumsum(counts) - counts
    word = (np.arange(runs) - starts[text]).astype(np.uint32)
    within = word + size <= counts[text]
    return pl.DataFrame({"text": text[within], "word": word[within], "gram": grams[within]})


def index_items(compared: pl.Series) -> pl.DataFrame:
    """Return the grams of evaluation items of all sizes: size, item (position), word (position) and gram."""
    grams = [list_grams(compared, size).with_columns(size=pl.lit(size, pl.UInt8)) for size in SIZES]
    return pl.concat(grams).rename({"text": "item"})


def find_repeated(compared: pl.Series, positions: npt.NDArray[np.uint32], items: pl.DataFrame) -> pl.DataFrame:
    """Find the n-grams of items in texts.

    Args:
        compared: Comparable texts.
        positions: The number of each text in the result.
        items: As `index_items` returns it.

    Returns:
        position and gram, each pair once.
    """
    found = [pl.DataFrame(schema=_REPEATED)]
    known = {size: _GramSet(items.filter(size=size)["gram"].unique()) for size in SIZES}
    for start in range(0, len(compared) if len(items) else 0, _ROWS_AT_ONCE):
        texts, names = compared[start : start + _ROWS_AT_ONCE], positions[start : start + _ROWS_AT_ONCE]
        chosen = np.arange(len(texts), dtype=np.uint32)
        for size in SIZES:
            grams = known[size].keep(list_grams(texts.gather(chosen), size))
            if grams.is_empty():
                break  # A text without a common 8-gram has no common 12-gram.
            found.append(pl.DataFrame({"position": names[chosen[grams["text"].to_numpy()]], "gram": grams["gram"]}))
            chosen = chosen[grams["text"].unique().sort().to_numpy()]
    return pl.concat(found).unique(maintain_order=True)


def measure_rows(repeated: pl.DataFrame, compared: pl.Series, items: pl.DataFrame) -> pl.DataFrame:
    """Return position, item and containment of rows: the share of the 8-grams of one that the other has too.

    It is the larger share of the two, for the item with the largest share.

    Args:
        repeated: As `find_repeated` returns it; positions are those in `compared`.
        compared: The texts.
        items: As `index_items` returns it.
    """
    runs = items.filter(size=SIZES[0])
    totals = runs.group_by("item").agg(of_item=pl.col("gram").n_unique())
    both = repeated.join(runs.select("item", "gram").unique(), on="gram").group_by("position", "item").len()
    positions = both["position"].unique()
    rows = list_grams(compared.gather(positions), SIZES[0]).group_by("text").agg(of_row=pl.col("gram").n_unique())
    of_row = rows.select(position=positions.gather(rows["text"]), of_row="of_row")
    shares = both.join(totals, on="item").join(of_row, on="position")
    containment = pl.max_horizontal(pl.col("len") / pl.col("of_item"), pl.col("len") / pl.col("of_row"))
    measured = shares.select("position", "item", containment=containment)
    return (
        measured.sort("containment", "item", descending=[True, False]).unique("position", keep="first").sort("position")
    )


def measure_items(
    items: pl.DataFrame, grams: pl.DataFrame, seen: Grams, nearest: pl.DataFrame, threshold: float
) -> pl.DataFrame:
    """Return one row of CONTAMINATION for each item.

    Args:
        items: evalset, item_id and text (turns joined by line ends) of each item.
        grams: As `index_items` returns it, for the same items in the same order.
        seen: N-grams of the remaining rows, sorted.
        nearest: item (position), row_id and similarity of rows that were refused because of an item.
        threshold: Share of repeated 8-grams from which an item is contaminated.
    """
    marked = grams.with_columns(seen=pl.Series(np.isin(grams["gram"].to_numpy(), seen)))
    most = nearest.sort("similarity", "row_id", descending=[True, False], nulls_last=True).unique("item", keep="first")
    frame = items.with_row_index("item").join(most, on="item", how="left", maintain_order="left")
    for size in SIZES:
        shares = marked.filter(size=size).group_by("item").agg(pl.col("seen").mean().alias(f"grams_{size}"))
        frame = frame.join(shares, on="item", how="left", maintain_order="left")
    covered = marked.filter(pl.col("seen"), size=SIZES[0]).group_by("item").agg(pl.col("word").sort())
    words = dict(covered.iter_rows())
    spans = [_find_spans(text, words.get(item, ())) for item, text in frame.select("item", "text").iter_rows()]
    clean = (pl.col("grams_8").fill_null(0.0) < threshold).alias("clean")
    return frame.with_columns(clean, pl.Series("spans", spans, CONTAMINATION["spans"])).select(list(CONTAMINATION))


def _find_spans(text: str, starts: Sequence[int]) -> list[dict[str, int]]:
    """Return the character spans of the 8-grams that start at these words; spans that touch are merged."""
    words = [match.span() for match in _WORD.finditer(text)]
    covered = sorted({word for start in starts for word in range(start, start + SIZES[0])} & set(range(len(words))))
    if not covered:
        return []
    breaks = [position for position, (one, two) in enumerate(pairwise(covered), start=1) if two > one + 1]
    runs = [covered[start:end] for start, end in pairwise([0, *breaks, len(covered)])]
    return [{"start": words[run[0]][0], "end": words[run[-1]][1]} for run in runs]


class _GramSet:
    """A set of n-grams for millions of look-ups: a table of bits rules out nearly all of them at once."""

    def __init__(self, grams: pl.Series) -> None:
        self._grams = np.sort(grams.to_numpy())
        self._slots = np.zeros(1 << _SLOTS_BITS, np.bool_)
        self._slots[self._grams >> np.uint64(64 - _SLOTS_BITS)] = True

    def keep(self, frame: pl.DataFrame) -> pl.DataFrame:
        likely = frame.filter(pl.Series(self._slots[frame["gram"].to_numpy() >> np.uint64(64 - _SLOTS_BITS)]))
        return likely.filter(pl.Series(np.isin(likely["gram"].to_numpy(), self._grams)))
