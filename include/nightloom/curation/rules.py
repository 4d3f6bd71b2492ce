"""Steps: each settles the rows that one rule decides. They run in the order in which they stand here."""

from collections.abc import Mapping
from typing import Literal

import polars as pl

from nightloom.artifacts.data import TokenBudget
from nightloom.artifacts.histories import NO_CHAT
from nightloom.artifacts.leaves import sha256
from nightloom.core.store import ObjectStore
from nightloom.curation.answers import check_answers, closed_answers
from nightloom.curation.minhash import comparable_texts
from nightloom.curation.outcomes import OPEN, quarantine, settle
from nightloom.curation.texts import whole_text
from nightloom.recipes.schema import AnswerField
from nightloom.rendering.token_budget import TokenBound, measure_tokens

KEY = sha256(pl.col("compared"))
"""Digest of what a row is compared by: it names the cluster of which the row is the oldest."""


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


def refuse_erased(rows: pl.DataFrame, digests: pl.Series) -> pl.DataFrame:
    """Quarantine rows that were erased; all that came of them is their id, whose SHA-256 is among the digests."""
    is_erased = sha256(pl.col("row_id")).is_in(digests.implode())
    return settle(rows, is_erased, "quarantined", "erased") if len(digests) else rows


def refuse_failures(rows: pl.DataFrame, failures: pl.DataFrame, releases: pl.DataFrame) -> pl.DataFrame:
    """Quarantine the rows that a suite refused, under the name of the expectation; but for those let through."""
    standing = failures.join(releases, on=["row_id", "version", "rule"], how="anti")
    reasons = standing.rename({"rule": "failed", "measured": "was", "threshold": "asked"})
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


def refuse_no_chats(rows: pl.DataFrame) -> pl.DataFrame:
    """Quarantine rows that should hold a conversation and hold none; the source said why in place of the turns."""
    marks = pl.col("history").list.filter(pl.element().struct.field("role") == NO_CHAT)
    reason = marks.list.first().struct.field("content")
    return settle(
        rows, reason.is_not_null(), "quarantined", "not_a_chat", measured=reason, threshold=pl.lit("a conversation")
    )


def refuse_answers(rows: pl.DataFrame, answer: Mapping[str, AnswerField]) -> pl.DataFrame:
    """Quarantine rows whose answer is missing or not allowed."""
    return quarantine(rows, check_answers(rows["answer"], answer))


def refuse_tokens(
    store: ObjectStore, rows: pl.DataFrame, budget: TokenBudget, bound: TokenBound, releases: pl.DataFrame
) -> pl.DataFrame:
    """Quarantine open rows with more tokens than the budget, or whose text is not what its tokens decode to.

    Args:
        store: Where the base model and the prompt lie.
        rows: Cleaned rows.
        budget: The model, the prompt, and how many tokens an example may have.
        bound: What bytes tell by these.
        releases: Rows that people let through (RELEASES).

    Raises:
        InputError: The model's tokenizer has no chat template, or the prompt cannot be rendered.
    """
    names, keys = {"text": "clean", "history": "clean_history", "answer": "clean_answer"}, ("row_id", "version", "rule")
    numbered = rows.with_row_index("place")
    asked = numbered.filter(OPEN).select("place", *keys[:2], **names).filter(bound.may_fail())
    encoded = asked.hstack(measure_tokens(store, asked, budget))
    fits = pl.col("tokens") <= bound.most
    findings = pl.concat(
        [
            _find(encoded.filter(~fits), "too_many_tokens", pl.col("tokens").cast(pl.String), str(bound.most)),
            _find(encoded.filter(fits & ~pl.col("round_trip")), "round_trip", pl.lit("another text"), "the same text"),
        ]
    )
    standing = findings.join(releases, on=list(keys), how="anti").drop("row_id", "version")
    return quarantine(rows, numbered.select("place").join(standing, on="place", how="left", maintain_order="left"))


def _find(rows: pl.DataFrame, rule: str, measured: pl.Expr, threshold: str) -> pl.DataFrame:
    found = {"rule": pl.lit(rule), "measured": measured, "threshold": pl.lit(threshold)}
    return rows.select("place", "row_id", "version", **found)


def compare_by(rows: pl.DataFrame, answer: Mapping[str, AnswerField]) -> pl.DataFrame:
    """Add to open rows what they are compared by, the digest of it, and what they say; settle none."""
    said = pl.when(OPEN).then(whole_text("clean_history", "clean"))
    compared = comparable_texts(rows.select(said.alias("said"))["said"])
    keyed = rows.with_columns(compared.alias("compared"), closed_answers(rows["answer"], answer).alias("says"))
    return keyed.with_columns(key=KEY)


def refuse_contaminated(rows: pl.DataFrame, similarity: float) -> pl.DataFrame:
    """Quarantine rows that are, or nearly are, an evaluation item."""
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
    oldest_equal = oldest.over("component", "says", "said")
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
