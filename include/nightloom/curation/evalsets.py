"""Eval sets: freeze items with a reference answer, cleaned as the model will read them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from nightloom.artifacts.data import EvalSetContent, EvalSetManifest, EvalSetProvenance, EvalSetRows, RuleCount
from nightloom.artifacts.frames import EVAL_ITEMS, RELEASES, put_frame
from nightloom.artifacts.histories import item_id
from nightloom.artifacts.ids import RecordsId
from nightloom.artifacts.leaves import rows_root
from nightloom.artifacts.reading import read_records
from nightloom.core.counts import show_count
from nightloom.core.errors import InputError
from nightloom.core.scratch import scratch_folder
from nightloom.core.store import ObjectStore
from nightloom.curation import rules
from nightloom.curation.answers import decode_answers
from nightloom.curation.near_duplicates import find_near_duplicates
from nightloom.curation.outcomes import OPEN, open_rows
from nightloom.curation.passes import write_signatures
from nightloom.curation.scratch import Scratch
from nightloom.curation.texts import clean_rows
from nightloom.recipes.preparation import Prepare
from nightloom.recipes.schema import AnswerField
from nightloom.scanners.registry import make_checks


@dataclass(frozen=True, slots=True)
class FrozenEvalSet:
    """An eval set, and how the rows of its source were used."""

    manifest: EvalSetManifest
    rows: EvalSetRows


def freeze_eval_set(
    store: ObjectStore, name: str, records_id: RecordsId, answer: Mapping[str, AnswerField], settings: Prepare
) -> FrozenEvalSet:
    """Freeze records as an eval set: clean them as training rows, and drop exact duplicates.

    Near-duplicates stay, and share a cluster.

    Args:
        store: Where it goes.
        name: Its name in the recipe.
        records_id: The rows, as they were received.
        answer: Fields of the answer, and the values that they may have.
        settings: How texts are cleaned, and the similarity of near-duplicates.

    Raises:
        InputError: No row is usable, or a scanner is not installed.
    """
    records = rules.refuse_equal_versions(rules.supersede_older(open_rows(read_records(store, records_id))))
    rows = clean_rows(
        rules.refuse_answers(rules.refuse_unusable(records), answer),
        answer,
        make_checks(settings),
        pl.DataFrame(schema=RELEASES),
    )
    rows = _assign_clusters(rules.compare_by(rows, answer), settings.near_duplicate_similarity)
    kept = rows.filter(OPEN).with_columns(text="clean", history="clean_history", answer="clean_answer")
    ids = [item_id(*item) for item in kept.select("text", "answer", "history").iter_rows()]
    items = kept.with_columns(pl.Series("item_id", ids, pl.String)).unique("item_id", keep="first")
    items = items.select(list(EVAL_ITEMS)).sort("item_id")
    used = EvalSetRows(name=name, counts=_count_rows(rows, len(items)), unused=_list_unused(items, answer))
    if items.is_empty():
        counted = show_count(len(records), "row")
        msg = f"eval set {name!r} has no usable item in {counted}{_list_reasons(used)}; check its source"
        raise InputError(msg)
    content = EvalSetContent(name=name, rows_root=rows_root(items), items=len(items))
    provenance = EvalSetProvenance(frame=put_frame(store, items, EVAL_ITEMS))
    return FrozenEvalSet(store.publish(EvalSetManifest(content=content, provenance=provenance)), used)


def describe_rows(rows: EvalSetRows) -> str:
    """Return how many rows of an eval set are items, why others are not, and which answers no item has."""
    unused = [f"{field} {', '.join(values)}" for field, values in rows.unused.items()]
    without = f"; no item has {' or '.join(unused)}" if unused else ""
    verb = "is an item" if rows.items == 1 else "are items"
    usable = show_count(_count_usable(rows), "row")
    return f"eval set {rows.name}: {rows.items} of {usable} {verb}{_list_reasons(rows)}{without}"


def find_refusal(rows: Sequence[EvalSetRows], most: float) -> str | None:
    """Return why a night cannot be measured by its eval sets: too many rows cannot be items. None if it can.

    Args:
        rows: Use of the rows of each eval set.
        most: Largest share of rows that may be refused.
    """
    lost = [each for each in rows if sum(each.refused.values()) > most * _count_usable(each)]
    if not lost:
        return None
    return f"{'; '.join(map(describe_rows, lost))}; correct the other rows, or raise evaluate.max_refused ({most:g})"


def _count_usable(rows: EvalSetRows) -> int:
    return rows.items + sum(rows.refused.values())


def _list_reasons(rows: EvalSetRows) -> str:
    reasons = ", ".join(f"{count} {rule}" for rule, count in rows.refused.items())
    return f" (refused: {reasons})" if reasons else ""


def _count_rows(rows: pl.DataFrame, items: int) -> tuple[RuleCount, ...]:
    """Count all rows by outcome and rule. Open rows are items, except exact duplicates."""
    decided = rows.filter(~OPEN).group_by("outcome", "rule").len().sort("outcome", "rule")
    duplicates = rows.select(OPEN.sum()).item() - items
    return (
        RuleCount(outcome="kept", rule=None, rows=items),
        *([RuleCount(outcome="merged", rule="exact_duplicate", rows=duplicates)] if duplicates else ()),
        *(RuleCount(outcome=outcome, rule=rule, rows=count) for outcome, rule, count in decided.iter_rows()),
    )


def _list_unused(items: pl.DataFrame, answer: Mapping[str, AnswerField]) -> dict[str, tuple[str, ...]]:
    """Return the allowed values of each answer field that no item has."""
    given = decode_answers(items["answer"], list(answer))
    unused = {name: tuple(v for v in field.one_of or () if v not in set(given[name])) for name, field in answer.items()}
    return {name: values for name, values in unused.items() if values}


def _assign_clusters(rows: pl.DataFrame, similarity: float) -> pl.DataFrame:
    """Assign each open row the cluster of its near-duplicates, named by the oldest of them."""
    with scratch_folder() as folder:
        scratch = Scratch(folder)
        for part, some in enumerate((rows, rows.clear())):
            scratch.write_rows(part, some)
            write_signatures(scratch, part, some, similarity)
        related = find_near_duplicates(scratch, [0, len(rows)], similarity).rows
    numbered = rows.with_row_index("number")
    joined = numbered.join(related.select("number", "component"), on="number", how="left", maintain_order="left")
    component = pl.coalesce("component", "number")
    return joined.with_columns(cluster_id=pl.when(OPEN).then(pl.col("key").filter(OPEN).first().over(component)))
