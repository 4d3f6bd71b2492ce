"""Steps: each settles the rows that one rule decides. They run in the order in which they stand here."""

from collections.abc import Mapping, Sequence
from typing import Literal

import polars as pl

from nightloom.core.digests import digest_bytes
from nightloom.core.recipes import AnswerField, Prepare, Split
from nightloom.curation.answers import check_answer, closed_answer
from nightloom.curation.outcomes import OPEN, quarantine, settle
from nightloom.curation.relatives import find_relatives
from nightloom.curation.similarity import comparable
from nightloom.scanners.clean import CleanText, clean_text

_HEX_DIGITS = 16  # of a cluster's id; they say where between 0 and 1 it lies


def supersede_older(rows: pl.DataFrame) -> pl.DataFrame:
    """Settle all versions of a key but the newest."""
    is_newest = pl.int_range(pl.len()).over("row_id") == pl.len().over("row_id") - 1
    newest = pl.col("version").last().over("row_id")
    return settle(
        rows,
        ~is_newest,
        "superseded",
        "newer_version",
        measured=pl.col("version"),
        threshold=newest,
        into=pl.col("row_id"),
    )


def drop_deleted(rows: pl.DataFrame) -> pl.DataFrame:
    """Settle the newest versions that say that their row is gone."""
    return settle(rows, pl.col("deleted"), "superseded", "deleted")


def refuse_failures(rows: pl.DataFrame, failures: pl.DataFrame) -> pl.DataFrame:
    """Quarantine the rows that a suite refused, under the name of the expectation."""
    reasons = failures.rename({"rule": "failed", "measured": "was", "threshold": "asked"})
    joined = rows.join(reasons, on=["row_id", "version"], how="left", maintain_order="left")
    settled = settle(
        joined,
        pl.col("failed").is_not_null(),
        "quarantined",
        pl.col("failed"),
        measured=pl.col("was"),
        threshold=pl.col("asked"),
    )
    return settled.drop("failed", "was", "asked")


def refuse_answers(rows: pl.DataFrame, answer: Mapping[str, AnswerField]) -> pl.DataFrame:
    """Quarantine rows whose answer is missing or not allowed."""
    return quarantine(rows, [check_answer(given, answer) for given in rows["answer"]])


def clean_texts(rows: pl.DataFrame, settings: Prepare) -> pl.DataFrame:
    """Clean the text of open rows, and quarantine those that cannot be used."""
    untouched = CleanText("")
    cleaned = [
        clean_text(
            text,
            pii=settings.pii,
            secrets=settings.secrets,
            prompt_injections=settings.prompt_injections,
            max_characters=settings.max_characters,
        )
        if outcome is None
        else untouched
        for text, outcome in rows.select("text", "outcome").iter_rows()
    ]
    texts = pl.Series("clean", [one.text for one in cleaned], pl.String)
    repairs = pl.Series("repairs", [",".join(one.repairs) for one in cleaned], pl.String)
    return quarantine(rows.with_columns(texts, repairs), [one.finding for one in cleaned])


def relate_texts(
    rows: pl.DataFrame, answer: Mapping[str, AnswerField], eval_texts: Sequence[str], similarity: float
) -> pl.DataFrame:
    """Add to open rows what they are compared by, and settle none."""
    keys = [
        comparable(text) if outcome is None else None for text, outcome in rows.select("clean", "outcome").iter_rows()
    ]
    says = [closed_answer(given, answer) for given in rows["answer"]]
    relatives = find_relatives(
        {key for key in keys if key is not None}, {comparable(text) for text in eval_texts}, similarity
    )
    compared = rows.with_columns(pl.Series("key", keys, pl.String), pl.Series("says", says, pl.String))
    return compared.join(relatives, on="key", how="left", maintain_order="left")


def refuse_contaminated(rows: pl.DataFrame, similarity: float) -> pl.DataFrame:
    """Quarantine rows whose text is, or nearly is, that of an evaluation item."""
    return settle(
        rows,
        pl.col("in_eval").is_not_null(),
        "quarantined",
        "in_eval_set",
        measured=pl.col("in_eval").round(4),
        threshold=pl.lit(similarity),
    )


def settle_contradictions(rows: pl.DataFrame, policy: Literal["quarantine", "majority"]) -> pl.DataFrame:
    """Quarantine equal and nearly equal texts with different answers, but for a majority where the policy says so."""
    votes = pl.when(OPEN).then(OPEN.sum().over("component", "says"))
    counted = rows.with_columns(votes.alias("votes")).with_columns(most=pl.col("votes").max().over("component"))
    open_says = pl.col("says").filter(OPEN)
    answers = open_says.n_unique().over("component")
    winners = pl.col("says").filter(OPEN & (pl.col("votes") == pl.col("most"))).n_unique().over("component")
    wins = (winners == 1) & (pl.col("votes") == pl.col("most")) if policy == "majority" else pl.lit(False)
    settled = settle(
        counted,
        (answers > 1) & ~wins,
        "quarantined",
        "contradicting_labels",
        measured=pl.format("{} answers", answers),
        threshold=pl.lit("1 answer"),
    )
    return settled.drop("votes", "most")


def merge_duplicates(rows: pl.DataFrame, policy: Literal["merge", "keep"], similarity: float) -> pl.DataFrame:
    """Merge equal texts, and nearly equal ones where the policy says so, into the oldest of them."""
    oldest = pl.col("row_id").filter(OPEN).first()
    oldest_equal = oldest.over("component", "says", "clean")
    oldest_near = oldest.over("component", "says")
    marked = rows.with_columns(oldest_equal=oldest_equal, survivor=oldest_near if policy == "merge" else oldest_equal)
    exact = settle(
        marked,
        pl.col("row_id") != pl.col("oldest_equal"),
        "merged",
        "exact_duplicate",
        measured=pl.lit("1.0"),
        threshold=pl.lit("1.0"),
        into=pl.col("survivor"),
    )
    merged = settle(
        exact,
        pl.col("row_id") != pl.col("survivor"),
        "merged",
        "near_duplicate",
        measured=pl.col("near").fill_null(1.0).round(4),
        threshold=pl.lit(similarity),
        into=pl.col("survivor"),
    )
    return merged.drop("oldest_equal", "survivor")


def assign_clusters(rows: pl.DataFrame) -> pl.DataFrame:
    """Give each open row its cluster, named by the text of the oldest row in it."""
    oldest_text = pl.col("key").filter(OPEN).first().over("component")
    keys = rows.select(pl.when(OPEN).then(oldest_text))["key"]
    clusters = [None if key is None else digest_bytes(key.encode()) for key in keys]
    return rows.with_columns(pl.Series("cluster_id", clusters, pl.String))


def assign_splits(rows: pl.DataFrame, split: Split) -> pl.DataFrame:
    """Give each row with a cluster the cluster's split."""
    splits = [None if cluster is None else choose_split(cluster, split) for cluster in rows["cluster_id"]]
    return rows.with_columns(pl.Series("split", splits, pl.String))


def choose_split(cluster_id: str, split: Split) -> str:
    """Give the split of a cluster: by its id alone, so that it stays the same from night to night."""
    place = int(cluster_id[:_HEX_DIGITS], 16) / 16**_HEX_DIGITS
    if place < split.test:
        return "test"
    return "selection" if place < split.test + split.selection else "train"
