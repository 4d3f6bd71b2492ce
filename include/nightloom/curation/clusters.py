"""Clusters: groups of near-duplicates, which keep their ids over nights and never span two splits.

A row that was there the night before keeps its cluster and its split, so no row ever moves between training and test.
A new row joins the cluster of its near-duplicates. A row with near-duplicates in two splits goes to quarantine.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from nightloom.curation.outcomes import OPEN, assign_outcome
from nightloom.recipes.preparation import Split

_HEX_DIGITS = 15  # of a cluster's id: as a fraction between 0 and 1 they choose its split


def quarantine_bridges(rows: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """Quarantine open rows that connect rows of different splits, and split the components that they connected.

    Args:
        rows: Rows with near-duplicates, the oldest first; number, component and prior_split are among the columns.
        pairs: first and second, numbers of rows that are near-duplicates.
    """
    splits = pl.col("prior_split").filter(OPEN).drop_nulls().n_unique().over("component")
    torn = rows.filter(OPEN & (splits > 1))
    if torn.is_empty():
        return rows
    numbers = torn["number"].implode()
    links = pairs.filter(pl.col("first").is_in(numbers) & pl.col("second").is_in(numbers))
    firsts, bridges = _part(torn.select("number", "prior_split").rows(), links.rows())
    parted = pl.DataFrame(
        {"number": list(firsts), "parted": list(firsts.values())}, {"number": pl.UInt32, "parted": pl.UInt32}
    )
    found = pl.DataFrame(
        {"number": list(bridges), "between": list(bridges.values())}, {"number": pl.UInt32, "between": pl.String}
    )
    joined = rows.join(parted, on="number", how="left", maintain_order="left").join(
        found, on="number", how="left", maintain_order="left"
    )
    parted_rows = joined.with_columns(component=pl.coalesce("parted", "component"))
    assigned = assign_outcome(
        parted_rows,
        pl.col("between").is_not_null(),
        "quarantined",
        "bridges_splits",
        measured=pl.col("between"),
        threshold=pl.lit("1 split"),
    )
    return assigned.drop("parted", "between")


def assign_clusters(rows: pl.DataFrame, split: Split, kept_splits: pl.DataFrame) -> pl.DataFrame:
    """Assign each open row the cluster of its component, and the cluster's split.

    The cluster is the one that the oldest row with a cluster had the night before. If no row had one, the oldest row's
    key becomes the id.

    Args:
        rows: The oldest first; component, key, prior_cluster and prior_split are among the columns.
        split: Shares of the splits.
        kept_splits: As `list_kept_splits` returns it.
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
    return choose_splits(named, split, kept_splits)


def choose_splits(rows: pl.DataFrame, split: Split, kept_splits: pl.DataFrame) -> pl.DataFrame:
    """Assign each row that has a cluster but no split the split of its cluster: a kept one, else the one of its id.

    Args:
        rows: cluster_id and split are among the columns.
        split: Shares of the splits.
        kept_splits: cluster_id and split of clusters whose split differs from the one of their id, because the recipe's
            shares have changed.
    """
    known = rows.join(kept_splits.rename({"split": "kept_split"}), on="cluster_id", how="left", maintain_order="left")
    chosen = pl.coalesce("split", "kept_split", _split_by_id(split))
    return known.with_columns(split=pl.when(pl.col("cluster_id").is_not_null()).then(chosen)).drop("kept_split")


def list_kept_splits(before: pl.DataFrame, split: Split) -> pl.DataFrame:
    """Return cluster_id and split of last night's clusters whose split is no longer the one of their id."""
    clusters = before.select("cluster_id", "split").drop_nulls().unique()
    return clusters.filter(pl.col("split") != _split_by_id(split))


def _split_by_id(split: Split) -> pl.Expr:
    number = pl.col("cluster_id").str.slice(0, _HEX_DIGITS).str.to_integer(base=16).cast(pl.Float64)
    fraction = number / 16.0**_HEX_DIGITS
    return (
        pl.when(fraction < split.test)
        .then(pl.lit("test"))
        .when(fraction < split.test + split.selection)
        .then(pl.lit("selection"))
        .otherwise(pl.lit("train"))
    )


def _part(
    rows: Sequence[tuple[int, str | None]], links: Sequence[tuple[int, int]]
) -> tuple[Mapping[int, int], Mapping[int, str]]:
    """Join rows one by one, those with a split first, and never rows of two splits.

    Returns:
        For each joined row, the number of the first row of its set; for each other row, the splits that it connects.
    """
    neighbours: dict[int, list[int]] = {number: [] for number, _ in rows}
    for one, other in links:
        neighbours[one].append(other)
        neighbours[other].append(one)
    parents: dict[int, int] = {}
    splits: dict[int, str | None] = {}
    bridges: dict[int, str] = {}
    # Rows with a split first, so that a new row becomes the bridge and no known row moves.
    for number, own in sorted(rows, key=lambda row: row[1] is None):
        adjacent = {_find_first(parents, other) for other in neighbours[number] if other in parents}
        found = {name for name in (own, *(splits[first] for first in adjacent)) if name is not None}
        if len(found) > 1:
            bridges[number] = ",".join(sorted(found))
            continue
        first = min(adjacent, default=number)
        splits[first] = next(iter(found), None)
        parents.update(dict.fromkeys([number, *adjacent], first))
    return {number: _find_first(parents, number) for number in parents}, bridges


def _find_first(parents: dict[int, int], number: int) -> int:
    """Return the first row of a row's set, and shorten the path to it (union-find)."""
    while parents[number] != number:
        parents[number] = parents[parents[number]]
        number = parents[number]
    return number
