"""Contamination: overlap of training rows with evaluation items, in n-grams of 8, 12 and 13 words.

A row is refused when it holds most of an item's 8-grams, or an item holds most of its 8-grams. An item of six or seven
words is one gram. Afterwards the overlap of each item with all remaining rows together is measured, also with numbers
masked, which separates clean items from contaminated ones. Size 13 is GPT-3's (Brown et al. 2020, appendix C), 8 is
PaLM's (Chowdhery et al. 2022, section 8), and 12 lies between.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from nightloom.artifacts.frames import CONTAMINATION, Schema
from nightloom.curation.grams import (
    UNITS,
    GramSet,
    Hashes,
    choose_units,
    mask_numbers,
    may_hold_numbers,
    may_hold_unit,
    split_texts,
)
from nightloom.curation.minhash import find_words

SIZES = (8, 12, 13)
SHORTEST = 6
"""Words of the shortest item that is measured: fewer words stand in many texts by chance."""

_ROWS_AT_ONCE = 16_384
_CHARACTERS_AT_ONCE = 1 << 21
_PAIRS_AT_ONCE = 1 << 20

_SORT = ("unit", "size")

_REPEATED = {"position": pl.UInt32, "gram": pl.UInt64}
_OF_ROW: Schema = {"position": pl.UInt32, "unit": pl.UInt8, "size": pl.UInt8, "of_row": pl.UInt32}


def index_items(compared: pl.Series) -> pl.DataFrame:
    """Return the grams of evaluation items.

    Returns:
        item (position), unit (characters that count as one word, or 0), masked (whether its numbers are), size (words),
        start (position of a word or character), and gram.
    """
    units = choose_units(compared)
    return pl.concat([part for unit in UNITS for part in _index_unit(compared, (units == unit).arg_true(), unit)])


def find_repeated(compared: pl.Series, positions: npt.NDArray[np.uint32], items: pl.DataFrame) -> pl.DataFrame:
    """Find the n-grams of items in texts, as they are and with their numbers masked.

    Args:
        compared: Comparable texts.
        positions: The number of each text in the result.
        items: As `index_items` returns it.

    Returns:
        position and gram, each pair once.
    """
    found = [pl.DataFrame(schema=_REPEATED)]
    known = GramSet(items["gram"].unique())
    sorts = items.group_by("unit", "masked").agg(pl.col("size").unique().sort()).sort("unit", "masked")
    for start in range(0, len(compared) if len(items) else 0, _ROWS_AT_ONCE):
        texts, names = compared[start : start + _ROWS_AT_ONCE], positions[start : start + _ROWS_AT_ONCE]
        for unit, masked, sizes in sorts.iter_rows():
            for chosen in _choose_texts(texts, unit, masked=masked):
                some = texts.gather(chosen)
                grams = _find_known(mask_numbers(some) if masked else some, unit, sizes, known)
                found.append(pl.DataFrame({"position": names[chosen[grams["text"].to_numpy()]], "gram": grams["gram"]}))
    return pl.concat(found).unique(maintain_order=True)


def measure_rows(repeated: pl.DataFrame, compared: pl.Series, items: pl.DataFrame) -> pl.DataFrame:
    """Return position, item, containment and grams of rows: the share of the 8-grams of one that the other has too.

    It is the larger share of the two, for the item with the largest share. `grams` names what was counted.

    Args:
        repeated: As `find_repeated` returns it; positions are those in `compared`.
        compared: The texts.
        items: As `index_items` returns it.
    """
    groups = _group_grams(items)
    grams = groups.select("group", "gram", items=pl.col("item").list.len()).explode("gram")
    shared = repeated.join(grams, on="gram").group_by("position", "group", "items").len().sort("position")
    full = groups.filter(size=SIZES[0]).select("group", *_SORT)
    of_row = _count_grams(shared.join(full, on="group"), compared)
    members = groups.select("group", "item", *_SORT).explode("item")
    of_item = groups.explode("item").group_by("item").agg(of_item=pl.col("gram").list.len().sum())
    cut = shared.with_columns(part=pl.col("items").cast(pl.UInt64).cum_sum() // _PAIRS_AT_ONCE)
    # All groups of a row are in one part.
    cut = cut.with_columns(pl.col("part").min().over("position"))
    parts = cut.partition_by("part", include_key=False) or [shared]
    return pl.concat([_find_nearest(one, members, of_item, of_row) for one in parts])


def _group_grams(items: pl.DataFrame) -> pl.DataFrame:
    """Return group, item (all that have its grams), unit, size, and gram (all that just these items have).

    Grams that the same items have are counted together: all items may begin with the same sentence.
    """
    runs = items.filter(pl.col("size") <= SIZES[0], ~pl.col("masked"))
    held = runs.group_by("gram", *_SORT).agg(pl.col("item").unique().sort())
    return held.group_by("item", *_SORT).agg("gram").with_row_index("group")


def _find_nearest(
    shared: pl.DataFrame, members: pl.DataFrame, of_item: pl.DataFrame, of_row: pl.DataFrame
) -> pl.DataFrame:
    """Return position, item, containment and grams of rows, for the item with the largest share."""
    both = shared.join(members, on="group").group_by("position", "item", *_SORT).agg(pl.col("len").sum())
    shares = both.join(of_item, on="item").join(of_row, on=["position", *_SORT], how="left")
    containment = pl.max_horizontal(pl.col("len") / pl.col("of_item"), pl.col("len") / pl.col("of_row"))
    in_characters = pl.format("{}-grams of characters", pl.col("size") * pl.col("unit"))
    grams = pl.when(pl.col("unit") == 0).then(pl.format("{}-grams", "size")).otherwise(in_characters)
    measured = shares.select("position", "item", containment=containment, grams=grams)
    return (
        measured.sort("containment", "item", descending=[True, False]).unique("position", keep="first").sort("position")
    )


def measure_items(
    items: pl.DataFrame, grams: pl.DataFrame, seen: Hashes, nearest: pl.DataFrame, threshold: float
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
    plain = marked.filter(~pl.col("masked"))
    base = plain.filter(pl.col("size") <= SIZES[0])
    most = nearest.sort("similarity", "row_id", descending=[True, False], nulls_last=True).unique("item", keep="first")
    frame = items.with_row_index("item").join(most, on="item", how="left", maintain_order="left")
    long = {f"grams_{size}": plain.filter(size=size) for size in SIZES[1:]}
    for name, some in {"grams_8": base, **long, "masked_8": marked.filter("masked")}.items():
        share = some.group_by("item").agg(pl.col("seen").mean().alias(name))
        frame = frame.join(share, on="item", how="left", maintain_order="left")
    # An item without numbers has nothing to mask.
    frame = frame.with_columns(pl.coalesce("masked_8", "grams_8").alias("masked_8"))
    same, other = pl.col("grams_8") >= threshold, pl.col("masked_8") >= threshold
    return frame.with_columns(
        _list_spans(frame["text"], base), clean=~(same | other), other_numbers=other & ~same.fill_null(value=False)
    ).select(list(CONTAMINATION))


def _index_unit(compared: pl.Series, items: pl.Series, unit: int) -> Iterator[pl.DataFrame]:
    """Return the grams of some items in one unit: those of their texts, and of those that change if masked."""
    texts = compared.gather(items)
    numbered = may_hold_numbers(texts).arg_true()
    masked = mask_numbers(texts.gather(numbered))
    yield from _index_texts(texts, items, unit, SIZES, masked=False)
    yield from _index_texts(masked, items.gather(numbered), unit, SIZES[:1], masked=True)


def _index_texts(
    texts: pl.Series, items: pl.Series, unit: int, sizes: Sequence[int], *, masked: bool
) -> Iterator[pl.DataFrame]:
    """Return the grams of these sizes; a short text is one gram."""
    words = split_texts(texts, unit).words
    sort = {"unit": pl.lit(unit, pl.UInt8), "masked": pl.lit(masked)}
    for size in (*range(SHORTEST, SIZES[0]), *sizes):
        chosen = (words == size if size < SIZES[0] else words >= size).arg_true()
        grams = split_texts(texts.gather(chosen), unit).list_grams(size)
        item = items.gather(chosen.gather(grams["text"])).cast(pl.UInt32).alias("item")
        yield grams.with_columns(item, size=pl.lit(size, pl.UInt8), **sort).select(
            "item", *sort, "size", "start", "gram"
        )


def _choose_texts(texts: pl.Series, unit: int, *, masked: bool) -> list[npt.NDArray[np.uint32]]:
    """Return the positions of the texts that may have grams of this sort, in groups that fit into memory."""
    may_hold = may_hold_unit(texts, unit)
    chosen = (may_hold & may_hold_numbers(texts) if masked else may_hold).arg_true().to_numpy().astype(np.uint32)
    ends = np.cumsum(texts.gather(chosen).str.len_bytes().to_numpy().astype(np.int64))
    most = range(_CHARACTERS_AT_ONCE, int(ends[-1]) if len(ends) else 0, _CHARACTERS_AT_ONCE)
    return np.split(chosen, np.searchsorted(ends, most)) if unit else [chosen]


def _find_known(texts: pl.Series, unit: int, sizes: Sequence[int], known: GramSet) -> pl.DataFrame:
    """Return text (position) and gram of the known grams of these sizes, which rise."""
    sequences = split_texts(texts, unit)
    found = [sequences.list_grams(size, known) for size in sizes if size <= SIZES[0]]
    chosen = found[-1]["text"].unique().sort()
    for size in sizes:
        # A text without a common 8-gram has no common 12-gram.
        if size > SIZES[0] and len(chosen):
            grams = split_texts(texts.gather(chosen), unit).list_grams(size, known)
            found.append(grams.with_columns(chosen.gather(grams["text"]).alias("text")))
            chosen = found[-1]["text"].unique().sort()
    return pl.concat(found)


def _count_grams(repeated: pl.DataFrame, compared: pl.Series) -> pl.DataFrame:
    """Return the number of grams of the texts that share some with an item (_OF_ROW)."""
    counts = [pl.DataFrame(schema=_OF_ROW)]
    for unit in repeated["unit"].unique():
        positions = repeated.filter(unit=unit)["position"].unique()
        grams = split_texts(compared.gather(positions), unit).list_grams(SIZES[0])
        rows = grams.group_by("text").agg(of_row=pl.col("gram").n_unique())
        sort = {"unit": pl.lit(unit), "size": pl.lit(SIZES[0])}
        named = rows.with_columns(position=positions.gather(rows["text"]), **sort)
        counts.append(named.select(pl.col(name).cast(kind) for name, kind in _OF_ROW.items()))
    return pl.concat(counts)


def _list_spans(texts: pl.Series, marked: pl.DataFrame) -> pl.Series:
    """Return for each text the character spans of its seen grams; spans that touch are merged."""
    seen = marked.filter("seen").group_by("item").agg(pl.col("start").sort(), pl.col("unit", "size").first())
    starts = {item: rest for item, *rest in seen.iter_rows()}
    spans = [_find_spans(text, *starts.get(item, ((), 0, 0))) for item, text in enumerate(texts)]
    return pl.Series("spans", spans, CONTAMINATION["spans"])


def _find_spans(text: str, starts: Sequence[int], unit: int, size: int) -> list[dict[str, int]]:
    if not starts:
        return []
    words = find_words(text)
    if unit:
        # A letter has as many positions as its comparable form has characters.
        words = [(at, at + 1) for start, end in words for at in range(start, end) for _ in text[at].casefold()]
    length = size * max(unit, 1)
    covered = sorted({word for start in starts for word in range(start, start + length)})
    breaks = [position for position, (one, two) in enumerate(pairwise(covered), start=1) if two > one + 1]
    runs = [covered[start:end] for start, end in pairwise([0, *breaks, len(covered)])]
    return [{"start": words[run[0]][0], "end": words[run[-1]][1]} for run in runs]
