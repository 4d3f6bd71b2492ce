"""Rules: each assigns an outcome to the rows that it matches. They run in this order."""

from collections.abc import Mapping
from typing import Literal

import polars as pl

from nightloom.artifacts.data import TokenBudget
from nightloom.artifacts.faults import REQUIRED, FaultRule
from nightloom.artifacts.leaves import sha256
from nightloom.artifacts.reading import count_contents
from nightloom.core.store import ObjectStore
from nightloom.curation.answers import check_answers, closed_answers
from nightloom.curation.minhash import comparable_texts
from nightloom.curation.outcomes import OPEN, assign_outcome, quarantine
from nightloom.curation.texts import whole_text
from nightloom.recipes.schema import AnswerField
from nightloom.rendering.token_budget import TokenBound, list_refused_roles, measure_tokens

_TIMELESS: FaultRule = "no_time"

KEY = sha256(pl.col("compared"))
"""Digest of a row's comparable text: the id of the cluster whose oldest row it is."""


def supersede_older(rows: pl.DataFrame) -> pl.DataFrame:
    """Supersede all versions of a row that are older than the newest, and all of a row that was deleted by then."""
    # Rows are sorted by version.
    newest = pl.col("version").last().over("row_id")
    older = assign_outcome(
        rows,
        pl.col("version") != newest,
        "superseded",
        "newer_version",
        measured=pl.col("version"),
        threshold=newest,
        into=pl.col("row_id"),
    )
    is_deleted = (pl.col("deleted") & OPEN).any().over("row_id")
    return assign_outcome(older, is_deleted, "superseded", "deleted")


def refuse_equal_versions(rows: pl.DataFrame) -> pl.DataFrame:
    """Leave one open row for each key: copies are superseded, different rows with the same time are quarantined.

    Which of them is the later one is unknown: sources have no order, and a repeated night must read the same.
    """
    numbered = rows.with_row_index("position")
    opened = numbered.filter(OPEN)
    last = opened.select("position", "row_id").unique("row_id", keep="last")["position"]
    tied = opened.select("position", contents=count_contents(opened))
    joined = numbered.join(tied, on="position", how="left", maintain_order="left")
    refused = assign_outcome(
        joined,
        pl.col("contents") > 1,
        "quarantined",
        "same_version",
        measured=pl.format("{} rows", "contents"),
        threshold=pl.lit(REQUIRED["same_version"]),
    )
    single = assign_outcome(
        refused,
        ~pl.col("position").is_in(last.implode()),
        "superseded",
        "exact_duplicate",
        measured=pl.col("version"),
        threshold=pl.col("version"),
        into=pl.col("row_id"),
    )
    return single.drop("position", "contents")


def refuse_erased(rows: pl.DataFrame, digests: pl.Series) -> pl.DataFrame:
    """Quarantine erased rows: those with an id whose SHA-256 is among the digests. Only their ids are left."""
    is_erased = sha256(pl.col("row_id")).is_in(digests.implode())
    return assign_outcome(rows, is_erased, "quarantined", "erased") if len(digests) else rows


def refuse_failures(rows: pl.DataFrame, failures: pl.DataFrame, releases: pl.DataFrame) -> pl.DataFrame:
    """Quarantine the rows that a suite refused, under the expectation's name, unless people released them."""
    unreleased = failures.join(releases, on=["row_id", "version", "rule"], how="anti")
    reasons = unreleased.rename({"rule": "failed", "measured": "was", "threshold": "required"})
    joined = rows.join(reasons, on=["row_id", "version"], how="left", maintain_order="left")
    assigned = assign_outcome(
        joined,
        pl.col("failed").is_not_null(),
        "quarantined",
        pl.col("failed"),
        measured=pl.col("was"),
        threshold=pl.col("required"),
    )
    return assigned.drop("failed", "was", "required")


def refuse_unusable(rows: pl.DataFrame) -> pl.DataFrame:
    """Quarantine rows that their source shows to be of no use, such as conversations that could not be read."""
    if rows["fault"].null_count() == len(rows):
        return rows
    rule = pl.col("fault").struct.field("rule")
    return _refuse_fault(rows, rule.is_not_null() & (rule != _TIMELESS))


def refuse_timeless(rows: pl.DataFrame, releases: pl.DataFrame) -> pl.DataFrame:
    """Quarantine rows whose time the source does not say, unless people released them."""
    if rows["fault"].null_count() == len(rows):
        return rows
    released = releases.filter(rule=_TIMELESS).select("row_id", "version", released=pl.lit(value=True)).unique()
    joined = rows.join(released, on=["row_id", "version"], how="left", maintain_order="left")
    is_timeless = pl.col("fault").struct.field("rule") == _TIMELESS
    return _refuse_fault(joined, is_timeless & pl.col("released").is_null()).drop("released")


def _refuse_fault(rows: pl.DataFrame, where: pl.Expr) -> pl.DataFrame:
    rule, measured = (pl.col("fault").struct.field(name) for name in ("rule", "measured"))
    threshold = rule.replace_strict(REQUIRED, default=None, return_dtype=pl.String)
    return assign_outcome(rows, where, "quarantined", rule, measured=measured, threshold=threshold)


def refuse_answers(rows: pl.DataFrame, answer: Mapping[str, AnswerField]) -> pl.DataFrame:
    """Quarantine rows whose answer is missing or not allowed."""
    return quarantine(rows, check_answers(rows["answer"], answer))


def refuse_roles(store: ObjectStore, rows: pl.DataFrame, budget: TokenBudget) -> pl.DataFrame:
    """Quarantine open conversations whose order of roles the base model's chat template refuses.

    Raises:
        InputError: The model's tokenizer has no chat template, or the prompt cannot be rendered.
    """
    order = pl.col("clean_history").list.eval(pl.element().struct.field("role")).list.join(",")
    orders = rows.select(pl.when(OPEN).then(order).alias("order"))["order"]
    refused = list_refused_roles(store, sorted(orders.drop_nulls().unique()), budget)
    return assign_outcome(
        rows,
        order.is_in(refused),
        "quarantined",
        "refused_by_template",
        measured=order,
        threshold=pl.lit("roles that the chat template takes"),
    )


def refuse_tokens(
    store: ObjectStore, rows: pl.DataFrame, budget: TokenBudget, bound: TokenBound, releases: pl.DataFrame
) -> pl.DataFrame:
    """Quarantine open rows with more tokens than the budget, or whose tokens decode to another text.

    Args:
        store: Holds the base model and the prompt.
        rows: Cleaned rows.
        budget: The base model, the prompt, and the most tokens of an example.
        bound: How bytes limit the tokens.
        releases: Waivers of rules for rows (RELEASES).

    Raises:
        InputError: The model's tokenizer has no chat template, or the prompt cannot be rendered.
    """
    names, keys = {"text": "clean", "history": "clean_history", "answer": "clean_answer"}, ("row_id", "version", "rule")
    numbered = rows.with_row_index("position")
    unsure = numbered.filter(OPEN).select("position", *keys[:2], **names).filter(bound.may_fail())
    encoded = unsure.hstack(measure_tokens(store, unsure, budget))
    fits = pl.col("tokens") <= bound.most
    found = pl.concat(
        [
            _give_reason(encoded.filter(~fits), "too_many_tokens", pl.col("tokens").cast(pl.String), str(bound.most)),
            _give_reason(
                encoded.filter(fits & ~pl.col("round_trip")), "round_trip", pl.lit("another text"), "the same text"
            ),
        ]
    )
    unreleased = found.join(releases, on=list(keys), how="anti").drop("row_id", "version")
    return quarantine(
        rows, numbered.select("position").join(unreleased, on="position", how="left", maintain_order="left")
    )


def _give_reason(rows: pl.DataFrame, rule: str, measured: pl.Expr, threshold: str) -> pl.DataFrame:
    reason = {"rule": pl.lit(rule), "measured": measured, "threshold": pl.lit(threshold)}
    return rows.select("position", "row_id", "version", **reason)


def compare_by(rows: pl.DataFrame, answer: Mapping[str, AnswerField]) -> pl.DataFrame:
    """Add to open rows their comparable text, its digest, and the part of the answer that can contradict others."""
    text = pl.when(OPEN).then(whole_text("clean_history", "clean"))
    compared = comparable_texts(rows.select(text.alias("text"))["text"])
    keyed = rows.with_columns(
        compared.alias("compared"), closed_answers(rows["clean_answer"], answer).alias("closed_answer")
    )
    return keyed.with_columns(key=KEY)


def refuse_contaminated(rows: pl.DataFrame, similarity: float) -> pl.DataFrame:
    """Quarantine rows that equal an evaluation item or are a near-duplicate of one."""
    return assign_outcome(
        rows,
        pl.col("in_eval").is_not_null(),
        "quarantined",
        "in_eval_set",
        measured=pl.col("in_eval").round(4),
        threshold=pl.lit(similarity),
    )


def refuse_contradictions(rows: pl.DataFrame, policy: Literal["quarantine", "majority", "keep"]) -> pl.DataFrame:
    """Quarantine duplicates with different labels; with the policy `majority`, the majority stays; with `keep`, all."""
    if policy == "keep":
        return rows
    votes = pl.when(OPEN).then(OPEN.sum().over("component", "closed_answer"))
    counted = rows.with_columns(votes.alias("votes")).with_columns(most=pl.col("votes").max().over("component"))
    open_answers = pl.col("closed_answer").filter(OPEN)
    answers = open_answers.n_unique().over("component")
    winners = pl.col("closed_answer").filter(OPEN & (pl.col("votes") == pl.col("most"))).n_unique().over("component")
    wins = (winners == 1) & (pl.col("votes") == pl.col("most")) if policy == "majority" else pl.lit(False)
    assigned = assign_outcome(
        counted,
        (answers > 1) & ~wins,
        "quarantined",
        "contradicting_labels",
        measured=pl.format("{} answers", answers),
        threshold=pl.lit("1 answer"),
    )
    return assigned.drop("votes", "most")


def merge_duplicates(rows: pl.DataFrame, policy: Literal["merge", "keep"], similarity: float) -> pl.DataFrame:
    """Merge equal texts with equal answers into the oldest, and near-duplicates too if the policy is `merge`."""
    oldest = pl.col("row_id").filter(OPEN).first()
    oldest_equal = oldest.over("component", "answer_digest", "text_digest")
    oldest_near = oldest.over("component", "answer_digest")
    marked = rows.with_columns(oldest_equal=oldest_equal, survivor=oldest_near if policy == "merge" else oldest_equal)
    exact = assign_outcome(
        marked,
        pl.col("row_id") != pl.col("oldest_equal"),
        "merged",
        "exact_duplicate",
        measured=pl.lit("1.0"),
        threshold=pl.lit("1.0"),
        into=pl.col("survivor"),
    )
    merged = assign_outcome(
        exact,
        pl.col("row_id") != pl.col("survivor"),
        "merged",
        "near_duplicate",
        measured=pl.col("near").fill_null(1.0).round(4),
        threshold=pl.lit(similarity),
        into=pl.col("survivor"),
    )
    return merged.drop("oldest_equal", "survivor")
