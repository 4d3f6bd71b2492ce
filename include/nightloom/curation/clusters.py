"""Clusters: near-duplicates share one, keep it over nights, and lie in one split.

A row that was there the night before keeps its cluster and its split, whatever else comes: no row ever moves between
training and test. A new row joins the cluster of the rows that it is like. One that is like rows of two splits would
have to lie in both: it goes to quarantine instead.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from nightloom.curation.outcomes import OPEN, settle
from nightloom.recipes.schema import Split

_HEX_DIGITS = 15  # of a cluster's id; they say where between 0 and 1 it lies


def quarantine_bridges(rows: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """Quarantine open rows that connect rows of different splits, and part what they connected.

    Args:
        rows: Rows that are like others, the oldest first; number, component and prior_split are among the columns.
        pairs: first and second, numbers of rows that are alike.
    """
    splits = pl.col("prior_split").filter(OPEN).drop_nulls().n_unique().over("component")
    torn = rows.filter(OPEN & (splits > 1))
    if torn.is_empty():
        return rows
    numbers = torn["number"].implode()
    links = pairs.filter(pl.col("first").is_in(numbers) & pl.col("second").is_in(numbers))
    homes, bridges = _part(torn.select("number", "prior_split").rows(), links.rows())
    parted = pl.DataFrame(
        {"number": list(homes), "parted": list(homes.values())}, {"number": pl.UInt32, "parted": pl.UInt32}
    )
    found = pl.DataFrame(
        {"number": list(bridges), "between": list(bridges.values())}, {"number": pl.UInt32, "between": pl.String}
    )
    joined = rows.join(parted, on="number", how="left", maintain_order="left").join(
        found, on="number", how="left", maintain_order="left"
    )
    moved = joined.with_columns(component=pl.coalesce("parted", "component"))
    settled = settle(
        moved,
        pl.col("between").is_not_null(),
        "quarantined",
        "bridges_splits",
        measured=pl.col("between"),
        threshold=pl.lit("1 split"),
    )
    return settled.drop("parted", "between")


def assign_clusters(rows: pl.DataFrame, split: Split, settled: pl.DataFrame) -> pl.DataFrame:
    """Return each open row the cluster of its component, and the cluster's split.

    The cluster is that which the oldest row had the night before, if any had one; else it is named by the oldest row.

    Args:
        rows: The oldest first; component, key, prior_cluster and prior_split are among the columns.
        split: Shares of the splits.
        settled: Of `list_settled`.
    """
    cluster = pl.coalesce(
        pl.col("prior_cluster").filter(OPEN).drop_nulls().first().over("component"),
        pl.col("key").filter(OPEN).first().over("component"),
    )
    prior = pl.col("prior_split").filter(OPEN).drop_nulls().first().over("component")
    named = rows.with_columns(
        cluster_id=pl.when(OPEN).then(cluster).otherwise("cluster_id"),
        split=pl.when(OPEN).then(prior).otherwise("split"),
    )
    return choose_splits(named, split, settled)


def choose_splits(rows: pl.DataFrame, split: Split, settled: pl.DataFrame) -> pl.DataFrame:
    """Return each row that has a cluster and no split its cluster's: the settled one, else that where its id falls.

    Args:
        rows: cluster_id and split are among the columns.
        split: Shares of the splits.
        settled: cluster_id and split of clusters that lie elsewhere than their id falls: the shares were others once.
    """
    known = rows.join(settled.rename({"split": "settled"}), on="cluster_id", how="left", maintain_order="left")
    chosen = pl.coalesce("split", "settled", _split_by_id(split))
    return known.with_columns(split=pl.when(pl.col("cluster_id").is_not_null()).then(chosen)).drop("settled")


def list_settled(before: pl.DataFrame, split: Split) -> pl.DataFrame:
    """Return cluster_id and split of the clusters of the night before that lie elsewhere than their id falls now."""
    clusters = before.select("cluster_id", "split").drop_nulls().unique()
    return clusters.filter(pl.col("split") != _split_by_id(split))


def _split_by_id(split: Split) -> pl.Expr:
    place = pl.col("cluster_id").str.slice(0, _HEX_DIGITS).str.to_integer(base=16).cast(pl.Float64) / 16.0**_HEX_DIGITS
    return (
        pl.when(place < split.test)
        .then(pl.lit("test"))
        .when(place < split.test + split.selection)
        .then(pl.lit("selection"))
        .otherwise(pl.lit("train"))
    )


def _part(
    rows: Sequence[tuple[int, str | None]], links: Sequence[tuple[int, int]]
) -> tuple[Mapping[int, int], Mapping[int, str]]:
    """Put rows together one by one, those with a split first, and never two that have different ones.

    Returns:
        The number of the first row of the set that each belongs to; and the splits between which the others stand.
    """
    neighbours: dict[int, list[int]] = {number: [] for number, _ in rows}
    for first, second in links:
        neighbours[first].append(second)
        neighbours[second].append(first)
    parents: dict[int, int] = {}
    splits: dict[int, str | None] = {}
    bridges: dict[int, str] = {}
    for number, own in sorted(rows, key=lambda row: row[1] is None):
        near = {_find_first(parents, other) for other in neighbours[number] if other in parents}
        found = {name for name in (own, *(splits[home] for home in near)) if name is not None}
        if len(found) > 1:
            bridges[number] = ",".join(sorted(found))
            continue
        home = min(near, default=number)
        splits[home] = next(iter(found), None)
        parents.update(dict.fromkeys([number, *near], home))
    return {number: _find_first(parents, number) for number in parents}, bridges


def _find_first(parents: dict[int, int], number: int) -> int:
    """Return the row that stands for the set of a row, and shorten the way to it."""
    while parents[number] != number:
        parents[number] = parents[parents[number]]
        number = parents[number]
    return number
