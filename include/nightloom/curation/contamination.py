"""Contamination: what training rows repeat of evaluation items, in runs of 8, 12 and 13 words.

A row is refused when it holds most of an item, or an item holds most of it, by 8-grams. What the rows that stay repeat
of each item, taken together, is measured afterwards; it tells the clean items from the others. Sizes of runs: 13 is
GPT-3's (Brown et al. 2020, appendix C), 8 PaLM's (Chowdhery et al. 2022, section 8), 12 lies in between.
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

_FACTORS = np.array([pow(0x9E3779B97F4A7C15, place, 1 << 64) for place in range(1, max(SIZES) + 1)], np.uint64)
_SLOTS_BITS = 22
_ROWS_AT_ONCE = 16_384
_WORD = re.compile(r"[^\W_]+")

_REPEATED = {"place": pl.UInt32, "gram": pl.UInt64}


def list_grams(texts: pl.Series, size: int) -> pl.DataFrame:
    """Return every run of so many words of comparable texts: text, word (places) and gram (a hash)."""
    words = texts.str.split(" ")
    counts = words.list.len().to_numpy().astype(np.int64)
    flat = words.explode().to_frame("word").select(NonCryptographicHashingNameSpace(pl.col("word")).xxhash64())
    hashes = flat["word"].fill_null(0).to_numpy()
    runs = max(len(hashes) - size + 1, 0)
    # The size is mixed in, so that no run of eight words is taken for one of twelve.
    grams = np.full(runs, size, np.uint64) * _FACTORS[-1]
    for place in range(size):
        grams += hashes[place : place + runs] * _FACTORS[place]
    text = np.repeat(np.arange(len(texts), dtype=np.uint32), counts)[:runs]
    starts = np.cumsum(counts) - counts
    word = (np.arange(runs) - starts[text]).astype(np.uint32)
    within = word + size <= counts[text]
    return pl.DataFrame({"text": text[within], "word": word[within], "gram": grams[within]})


def index_items(compared: pl.Series) -> pl.DataFrame:
    """Return the grams of evaluation items of all sizes: size, item (place), word (place) and gram."""
    grams = [list_grams(compared, size).with_columns(size=pl.lit(size, pl.UInt8)) for size in SIZES]
    return pl.concat(grams).rename({"text": "item"})


def find_repeated(compared: pl.Series, places: npt.NDArray[np.uint32], items: pl.DataFrame) -> pl.DataFrame:
    """Find the grams of items in texts.

    Args:
        compared: Comparable texts.
        places: What each is called in the answer.
        items: Of `index_items`.

    Returns:
        place and gram, each pair once.
    """
    found = [pl.DataFrame(schema=_REPEATED)]
    known = {size: _Known(items.filter(size=size)["gram"].unique()) for size in SIZES}
    for start in range(0, len(compared) if len(items) else 0, _ROWS_AT_ONCE):
        texts, names = compared[start : start + _ROWS_AT_ONCE], places[start : start + _ROWS_AT_ONCE]
        chosen = np.arange(len(texts), dtype=np.uint32)
        for size in SIZES:
            grams = known[size].keep(list_grams(texts.gather(chosen), size))
            if grams.is_empty():
                break  # A text without a run of eight words has none of twelve.
            found.append(pl.DataFrame({"place": names[chosen[grams["text"].to_numpy()]], "gram": grams["gram"]}))
            chosen = chosen[grams["text"].unique().sort().to_numpy()]
    return pl.concat(found).unique(maintain_order=True)


def measure_rows(repeated: pl.DataFrame, compared: pl.Series, items: pl.DataFrame) -> pl.DataFrame:
    """Return position, item and containment of rows: the share of one's 8-grams that the other has, too.

    The larger of both, and of the item where it is largest.

    Args:
        repeated: Of `find_repeated`; places are those in `compared`.
        compared: The texts.
        items: Of `index_items`.
    """
    runs = items.filter(size=SIZES[0])
    totals = runs.group_by("item").agg(of_item=pl.col("gram").n_unique())
    both = repeated.join(runs.select("item", "gram").unique(), on="gram").group_by("place", "item").len()
    places = both["place"].unique()
    rows = list_grams(compared.gather(places), SIZES[0]).group_by("text").agg(of_row=pl.col("gram").n_unique())
    of_row = rows.select(place=places.gather(rows["text"]), of_row="of_row")
    shares = both.join(totals, on="item").join(of_row, on="place")
    containment = pl.max_horizontal(pl.col("len") / pl.col("of_item"), pl.col("len") / pl.col("of_row"))
    measured = shares.select("place", "item", containment=containment)
    return measured.sort("containment", "item", descending=[True, False]).unique("place", keep="first").sort("place")


def measure_items(
    items: pl.DataFrame, grams: pl.DataFrame, seen: Grams, nearest: pl.DataFrame, threshold: float
) -> pl.DataFrame:
    """Return a line of CONTAMINATION for each item.

    Args:
        items: evalset, item_id and text (turns joined by line ends) of each item.
        grams: Of `index_items`, for the same items in the same order.
        seen: Grams that stand in rows that stay, sorted.
        nearest: item (place), row_id and similarity of rows that were refused for being like an item.
        threshold: Share of an item's 8-grams from which it counts as repeated.
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
    """Return where the runs of eight words that begin at these words lie, in characters; touching ones are one."""
    words = [match.span() for match in _WORD.finditer(text)]
    covered = sorted({word for start in starts for word in range(start, start + SIZES[0])} & set(range(len(words))))
    if not covered:
        return []
    breaks = [place for place, (one, two) in enumerate(pairwise(covered), start=1) if two > one + 1]
    runs = [covered[start:end] for start, end in pairwise([0, *breaks, len(covered)])]
    return [{"start": words[run[0]][0], "end": words[run[-1]][1]} for run in runs]


class _Known:
    """A set of grams, asked of millions: a table of bits says no to nearly all of them at once."""

    def __init__(self, grams: pl.Series) -> None:
        self._grams = np.sort(grams.to_numpy())
        self._slots = np.zeros(1 << _SLOTS_BITS, np.bool_)
        self._slots[self._grams >> np.uint64(64 - _SLOTS_BITS)] = True

    def keep(self, frame: pl.DataFrame) -> pl.DataFrame:
        likely = frame.filter(pl.Series(self._slots[frame["gram"].to_numpy() >> np.uint64(64 - _SLOTS_BITS)]))
        return likely.filter(pl.Series(np.isin(likely["gram"].to_numpy(), self._grams)))
