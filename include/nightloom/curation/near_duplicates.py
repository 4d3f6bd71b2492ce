"""Relatives: how the texts of a night are alike, among themselves and to the items of the eval sets, over all parts.

What is held for each row is a few numbers; texts and sketches are read for those alone that were proposed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from nightloom.curation.minhash import jaccard, may_be_similar, shingle_texts
from nightloom.curation.scratch import Scratch, iter_chunks

# In a larger family of texts that share a band each is compared with the first and with the one before it, not with
# all: its members are found to belong together all the same, and the work does not grow with the square.
_LARGEST_FAMILY = 32
_PAIRS_HELD = 4_000_000
_PAIRS_AT_ONCE = 10_000

_PAIRS = {"first": pl.UInt32, "second": pl.UInt32}


@dataclass(frozen=True, slots=True)
class Relatives:
    """How texts are alike.

    Attributes:
        rows: number, component, near (similarity to the nearest other text; null: none is near) and in_eval (to the
            nearest evaluation item; null: none is near) of each row that is like another row or an item.
        pairs: first and second, numbers of rows whose texts are alike; they connect the components.
        items: item (place in its part), number of the row that is most like it, and similarity.
    """

    rows: pl.DataFrame
    pairs: pl.DataFrame
    items: pl.DataFrame


@dataclass(frozen=True, slots=True)
class _Texts:
    """The open rows: number of each, in order; and those with an equal text, with the number of the first such."""

    numbers: npt.NDArray[np.uint32]
    equal: pl.DataFrame

    def list_distinct(self) -> npt.NDArray[np.int64]:
        """Return the places among the open rows of the first of each text."""
        repeated = self.equal.filter(pl.col("number") != pl.col("text"))["number"].to_numpy()
        keep = np.ones(len(self.numbers), np.bool_)
        keep[np.searchsorted(self.numbers, repeated)] = False
        return np.flatnonzero(keep)


def find_relatives(scratch: Scratch, starts: Sequence[int], similarity: float) -> Relatives:
    """Find the rows that are equal, or nearly, in what they are compared by. Those near an item connect no others.

    Args:
        scratch: Where the parts were scanned to; the last one holds the items of the eval sets.
        starts: Number of each part's first row.
        similarity: Jaccard similarity from which two texts are near-duplicates.
    """
    texts = _read_texts(scratch, starts)
    pairs = _find_near_pairs(scratch, starts, texts, similarity)
    return _relate(texts, pairs, first_item=starts[-1])


def _read_texts(scratch: Scratch, starts: Sequence[int]) -> _Texts:
    numbers = np.concatenate(
        [scratch.read_places(part) + np.uint32(start) for part, start in enumerate(starts)], dtype=np.uint32
    )
    keys = np.concatenate([scratch.read_keys(part) for part in range(len(starts))])
    frame = pl.DataFrame({"number": numbers, "high": keys[:, 0], "low": keys[:, 1]})
    repeated = frame.filter(pl.col("high").is_duplicated())
    text = pl.col("number").min().over("high", "low")
    equal = repeated.with_columns(text=text, size=pl.len().over("high", "low")).filter(pl.col("size") > 1)
    return _Texts(numbers, equal.select("number", "text"))


def _find_near_pairs(scratch: Scratch, starts: Sequence[int], texts: _Texts, similarity: float) -> pl.DataFrame:
    """Return first and second (numbers) and similarity of the pairs of different texts that are near."""
    distinct = texts.list_distinct()
    is_item = texts.numbers[distinct] >= starts[-1]
    near, proposed, held = [pl.DataFrame(schema=_PAIRS)], [pl.DataFrame(schema=_PAIRS)], 0
    for band in range(scratch.count_bands()):
        hashes = np.concatenate([scratch.read_band(part, band) for part in range(len(starts))])[distinct]
        frame = pl.DataFrame({"number": texts.numbers[distinct], "hash": hashes, "is_item": is_item})
        proposed.append(_pair_up(frame.filter(pl.col("hash").is_duplicated())))
        held += len(proposed[-1])
        if held > _PAIRS_HELD:
            near.append(_keep_likely(scratch, starts, pl.concat(proposed).unique(), similarity))
            proposed, held = [pl.DataFrame(schema=_PAIRS)], 0
    near.append(_keep_likely(scratch, starts, pl.concat(proposed).unique(), similarity))
    likely = pl.concat(near).unique().sort("first", "second")
    return _measure(scratch, starts, likely).filter(pl.col("similarity") >= similarity)


def _pair_up(families: pl.DataFrame) -> pl.DataFrame:
    """Return the pairs of texts to be compared, of those that share a band."""
    ordered = families.sort("hash", "number").with_columns(size=pl.len().over("hash"))
    small = ordered.filter(pl.col("size") <= _LARGEST_FAMILY)
    large = ordered.filter(pl.col("size") > _LARGEST_FAMILY)
    items = large.filter("is_item")
    before = pl.col("number").shift(1).over("hash")
    pairs = [
        small.join(small, on="hash").select(first="number", second="number_right"),
        large.select(first=pl.col("number").first().over("hash"), second="number"),
        large.select(first=before, second="number").drop_nulls(),
        items.join(large, on="hash").select(first=pl.min_horizontal("number", "number_right"), second=_LATER),
    ]
    return pl.concat(pairs).filter(pl.col("first") < pl.col("second"))


_LATER = pl.max_horizontal("number", "number_right")


def _keep_likely(scratch: Scratch, starts: Sequence[int], pairs: pl.DataFrame, similarity: float) -> pl.DataFrame:
    """Return the pairs whose sketches agree nearly enough."""
    involved = np.unique(np.concatenate([pairs["first"].to_numpy(), pairs["second"].to_numpy()]))
    marks = _read_marks(scratch, starts, involved)
    first, second = (np.searchsorted(involved, pairs[name].to_numpy()) for name in ("first", "second"))
    likely = np.zeros(len(pairs), np.bool_)
    for chunk in iter_chunks(len(pairs), _PAIRS_AT_ONCE):
        likely[chunk] = may_be_similar(marks[first[chunk]], marks[second[chunk]], similarity)
    return pairs.filter(pl.Series(likely))


def _read_marks(scratch: Scratch, starts: Sequence[int], numbers: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
    found = []
    for part, chosen in _split_by_part(numbers, starts):
        places = np.searchsorted(scratch.read_places(part), chosen)
        found.append(scratch.read_marks(part)[places])
    return np.concatenate(found) if found else np.empty((0, 1), np.uint8)


def _measure(scratch: Scratch, starts: Sequence[int], pairs: pl.DataFrame) -> pl.DataFrame:
    """Add the exact similarity of each pair; they are sorted, so that the same texts are read close together."""
    involved = np.unique(np.concatenate([pairs["first"].to_numpy(), pairs["second"].to_numpy()]))
    texts: dict[int, str] = {}
    for part, chosen in _split_by_part(involved, starts):
        keys = scratch.read_rows(part, ["compared"])["compared"].gather(chosen)
        texts |= dict(zip((chosen + starts[part]).tolist(), keys, strict=True))
    measured: list[float] = []
    for chunk in iter_chunks(len(pairs), _PAIRS_AT_ONCE):
        some = list(pairs[chunk].iter_rows())
        numbers = list({number for pair in some for number in pair})
        shingles = dict(zip(numbers, shingle_texts([texts[number] for number in numbers]), strict=True))
        measured += [jaccard(shingles[first], shingles[second]) for first, second in some]
    return pairs.with_columns(pl.Series("similarity", measured, pl.Float64))


def _split_by_part(numbers: npt.NDArray[np.uint32], starts: Sequence[int]) -> list[tuple[int, npt.NDArray[np.uint32]]]:
    """Return the parts that hold any of the numbers, and where in each part they stand."""
    edges = np.searchsorted(numbers, [*starts, 2**32])
    spans = [(part, numbers[edges[part] : edges[part + 1]] - np.uint32(start)) for part, start in enumerate(starts)]
    return [(part, chosen) for part, chosen in spans if len(chosen)]


def _relate(texts: _Texts, near: pl.DataFrame, first_item: int) -> Relatives:
    """Carry what pairs of texts have in common over to the rows that have these texts."""
    to_items = _list_pairs_with_items(texts, near, first_item)
    in_eval = to_items.group_by("text").agg(in_eval=pl.col("similarity").max())
    gone = in_eval["text"].implode()
    both_stay = [~pl.col(name).is_in(gone) & (pl.col(name) < first_item) for name in ("first", "second")]
    staying = near.filter(both_stay)
    twins = texts.equal.filter(~pl.col("text").is_in(gone), pl.col("text") != pl.col("number"))
    pairs = pl.concat([staying.select("first", "second"), twins.select(first="text", second="number")])
    alike = pl.concat([in_eval["text"], staying["first"], staying["second"], texts.equal["text"]]).unique()
    described = (
        alike.to_frame("text")
        .join(_label_components(staying), on="text", how="left")
        .join(_nearest(staying), on="text", how="left")
        .join(in_eval, on="text", how="left")
    )
    members = _list_rows(texts, alike).join(described, on="text").filter(pl.col("number") < first_item)
    component = pl.col("component").fill_null(pl.col("text"))
    rows = members.select("number", component, "near", "in_eval").sort("number")
    nearest = to_items.sort("similarity", "text", descending=[True, False]).unique("item", keep="first")
    items = nearest.select(pl.col("item") - first_item, number="text", similarity="similarity").sort("item")
    return Relatives(rows, pairs.filter(pl.col("second") < first_item), items)


def _list_pairs_with_items(texts: _Texts, near: pl.DataFrame, first_item: int) -> pl.DataFrame:
    """Return item (number), text (of rows) and similarity of all that are alike; equal ones have a similarity of 1."""
    copies = texts.equal.filter(pl.col("number") >= first_item)
    both = pl.concat([near, near.select(first="second", second="first", similarity="similarity")])
    # An item whose text a row has too goes by that row's number.
    by_copy = both.join(copies, left_on="second", right_on="text").select(
        item="number", text="first", similarity="similarity"
    )
    direct = both.filter(pl.col("second") >= first_item).select(item="second", text="first", similarity="similarity")
    equal = copies.select(item="number", text="text", similarity=pl.lit(1.0))
    return pl.concat([equal, by_copy, direct]).filter(pl.col("text") < first_item)


def _list_rows(texts: _Texts, chosen: pl.Series) -> pl.DataFrame:
    """Return number and text of the rows that have one of these texts."""
    equal = texts.equal.filter(pl.col("text").is_in(chosen.implode()))
    alone = chosen.filter(~chosen.is_in(texts.equal["text"].implode())).to_frame("text")
    return pl.concat([equal, alone.select(number="text", text="text")])


def _nearest(pairs: pl.DataFrame) -> pl.DataFrame:
    """Return for each text of the pairs its similarity to the nearest other."""
    both = pl.concat([pairs.select(text=name, near="similarity") for name in ("first", "second")])
    return both.group_by("text").agg(pl.col("near").max())


def _label_components(pairs: pl.DataFrame) -> pl.DataFrame:
    """Return each text of the pairs the number of the first text that it is connected with."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    texts = np.unique(np.concatenate([pairs["first"].to_numpy(), pairs["second"].to_numpy()]))
    if not len(texts):
        return pl.DataFrame(schema={"text": pl.UInt32, "component": pl.UInt32})
    first, second = (np.searchsorted(texts, pairs[name].to_numpy()) for name in ("first", "second"))
    graph = coo_array((np.ones(len(pairs)), (first, second)), shape=(len(texts), len(texts)))
    labels = connected_components(graph, directed=False)[1]
    frame = pl.DataFrame({"text": texts, "label": labels}, {"text": pl.UInt32, "label": pl.Int64})
    return frame.select("text", component=pl.col("text").min().over("label"))
