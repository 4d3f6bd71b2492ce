"""Near-duplicates: similar texts of a night, among its rows and with the items of the eval sets, over all parts.

Memory holds a few numbers for each row. Texts and signatures are read only for candidate pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from nightloom.curation.minhash import jaccard, may_be_similar, shingle_texts
from nightloom.curation.scratch import Scratch, iter_chunks

# In a larger bucket of texts that share a band, each text is compared with the first and with the previous one only.
# The bucket still becomes one component, and the work does not grow with its square.
_LARGEST_BUCKET = 32
_PAIRS_HELD = 4_000_000  # candidates in memory, before the unlikely ones are dropped
_PAIRS_AT_ONCE = 10_000  # pairs whose texts and signatures are in memory together

_PAIRS = {"first": pl.UInt32, "second": pl.UInt32}


@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """Near-duplicates among rows, and between rows and evaluation items.

    Attributes:
        rows: number, component, near (similarity to the nearest other text, or null) and in_eval (similarity to the
            nearest evaluation item, or null) of each row that has a near-duplicate among rows or items.
        pairs: first and second, numbers of rows that are near-duplicates; they connect the components.
        items: item (position in its part), number of the most similar row, and similarity.
    """

    rows: pl.DataFrame
    pairs: pl.DataFrame
    items: pl.DataFrame


@dataclass(frozen=True, slots=True)
class _Texts:
    """Numbers of the open rows, in order; and the rows with equal texts, with the number of the first of them."""

    numbers: npt.NDArray[np.uint32]
    equal: pl.DataFrame

    def list_distinct(self) -> npt.NDArray[np.int64]:
        """Return the positions, among the open rows, of the first row of each text."""
        repeated = self.equal.filter(pl.col("number") != pl.col("text"))["number"].to_numpy()
        keep = np.ones(len(self.numbers), np.bool_)
        keep[np.searchsorted(self.numbers, repeated)] = False
        return np.flatnonzero(keep)


def find_near_duplicates(scratch: Scratch, starts: Sequence[int], similarity: float) -> NearDuplicates:
    """Find rows whose comparable texts are equal or similar. Rows near an evaluation item connect no other rows.

    Args:
        scratch: Holds the scanned parts; the last one holds the items of the eval sets.
        starts: Number of each part's first row.
        similarity: Jaccard similarity from which two texts are near-duplicates.
    """
    texts = _read_texts(scratch, starts)
    pairs = _find_near_pairs(scratch, starts, texts, similarity)
    return _map_to_rows(texts, pairs, first_item=starts[-1])


def _read_texts(scratch: Scratch, starts: Sequence[int]) -> _Texts:
    numbers = np.concatenate(
        [scratch.read_positions(part) + np.uint32(start) for part, start in enumerate(starts)], dtype=np.uint32
    )
    keys = np.concatenate([scratch.read_keys(part) for part in range(len(starts))])
    frame = pl.DataFrame({"number": numbers, "high": keys[:, 0], "low": keys[:, 1]})
    repeated = frame.filter(pl.col("high").is_duplicated())
    text = pl.col("number").min().over("high", "low")
    equal = repeated.with_columns(text=text, size=pl.len().over("high", "low")).filter(pl.col("size") > 1)
    return _Texts(numbers, equal.select("number", "text"))


def _find_near_pairs(scratch: Scratch, starts: Sequence[int], texts: _Texts, similarity: float) -> pl.DataFrame:
    """Return first and second (numbers) and similarity of the pairs of different texts that are near-duplicates."""
    distinct = texts.list_distinct()
    is_item = texts.numbers[distinct] >= starts[-1]
    likely, candidates, held = [pl.DataFrame(schema=_PAIRS)], [pl.DataFrame(schema=_PAIRS)], 0
    for band in range(scratch.count_bands()):
        hashes = np.concatenate([scratch.read_band(part, band) for part in range(len(starts))])[distinct]
        frame = pl.DataFrame({"number": texts.numbers[distinct], "hash": hashes, "is_item": is_item})
        candidates.append(_pair_up(frame.filter(pl.col("hash").is_duplicated())))
        held += len(candidates[-1])
        if held > _PAIRS_HELD:
            likely.append(_drop_unlikely(scratch, starts, pl.concat(candidates).unique(), similarity))
            candidates, held = [pl.DataFrame(schema=_PAIRS)], 0
    likely.append(_drop_unlikely(scratch, starts, pl.concat(candidates).unique(), similarity))
    pairs = pl.concat(likely).unique().sort("first", "second")
    return _measure(scratch, starts, pairs).filter(pl.col("similarity") >= similarity)


def _pair_up(buckets: pl.DataFrame) -> pl.DataFrame:
    """Return the candidate pairs among texts that share a band."""
    ordered = buckets.sort("hash", "number").with_columns(size=pl.len().over("hash"))
    small = ordered.filter(pl.col("size") <= _LARGEST_BUCKET)
    large = ordered.filter(pl.col("size") > _LARGEST_BUCKET)
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


def _drop_unlikely(scratch: Scratch, starts: Sequence[int], pairs: pl.DataFrame, similarity: float) -> pl.DataFrame:
    """Return the pairs whose signatures allow the similarity."""
    involved = np.unique(np.concatenate([pairs["first"].to_numpy(), pairs["second"].to_numpy()]))
    low_bytes = _read_low_bytes(scratch, starts, involved)
    first, second = (np.searchsorted(involved, pairs[name].to_numpy()) for name in ("first", "second"))
    likely = np.zeros(len(pairs), np.bool_)
    for chunk in iter_chunks(len(pairs), _PAIRS_AT_ONCE):
        likely[chunk] = may_be_similar(low_bytes[first[chunk]], low_bytes[second[chunk]], similarity)
    return pairs.filter(pl.Series(likely))


def _read_low_bytes(scratch: Scratch, starts: Sequence[int], numbers: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
    found = []
    for part, chosen in _split_by_part(numbers, starts):
        positions = np.searchsorted(scratch.read_positions(part), chosen)
        found.append(scratch.read_low_bytes(part)[positions])
    return np.concatenate(found) if found else np.empty((0, 1), np.uint8)


def _measure(scratch: Scratch, starts: Sequence[int], pairs: pl.DataFrame) -> pl.DataFrame:
    """Add the exact similarity of each pair. Pairs are sorted, so that the same texts are needed close together."""
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
    """Return the parts that hold any of the numbers, with their positions in each part."""
    edges = np.searchsorted(numbers, [*starts, 2**32])
    spans = [(part, numbers[edges[part] : edges[part + 1]] - np.uint32(start)) for part, start in enumerate(starts)]
    return [(part, chosen) for part, chosen in spans if len(chosen)]


def _map_to_rows(texts: _Texts, near: pl.DataFrame, first_item: int) -> NearDuplicates:
    """Apply near pairs of texts to all rows that have these texts."""
    to_items = _list_pairs_with_items(texts, near, first_item)
    in_eval = to_items.group_by("text").agg(in_eval=pl.col("similarity").max())
    refused = in_eval["text"].implode()
    both_stay = [~pl.col(name).is_in(refused) & (pl.col(name) < first_item) for name in ("first", "second")]
    staying = near.filter(both_stay)
    twins = texts.equal.filter(~pl.col("text").is_in(refused), pl.col("text") != pl.col("number"))
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
    return NearDuplicates(rows, pairs.filter(pl.col("second") < first_item), items)


def _list_pairs_with_items(texts: _Texts, near: pl.DataFrame, first_item: int) -> pl.DataFrame:
    """Return item (number), text (number of a row) and similarity of near-duplicates; equal texts have similarity 1."""
    copies = texts.equal.filter(pl.col("number") >= first_item)
    both = pl.concat([near, near.select(first="second", second="first", similarity="similarity")])
    # An item with the same text as a row appears under that row's number.
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
    """Return for each text of the pairs the similarity of its nearest neighbour."""
    both = pl.concat([pairs.select(text=name, near="similarity") for name in ("first", "second")])
    return both.group_by("text").agg(pl.col("near").max())


def _label_components(pairs: pl.DataFrame) -> pl.DataFrame:
    """Return for each text of the pairs the number of the first text of its component."""
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
