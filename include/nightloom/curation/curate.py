"""Curation: turn records into examples, with one ledger line for every record."""

import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import polars as pl

from nightloom.artifacts.data import Curated, CuratedProvenance, Records, RuleCount
from nightloom.artifacts.frames import CONTAMINATION, EXAMPLES, FAILURES, HISTORY, RELEASES, Schema, put_frame
from nightloom.artifacts.ids import EvalSetId, RecordsId
from nightloom.artifacts.leaves import sha256
from nightloom.artifacts.models import Checks
from nightloom.artifacts.parts import put_parts
from nightloom.artifacts.reading import read_eval_set
from nightloom.core.digests import short
from nightloom.core.errors import InternalError
from nightloom.core.scratch import scratch_folder
from nightloom.core.store import ObjectStore
from nightloom.curation import contamination, rules
from nightloom.curation.clusters import assign_clusters, quarantine_bridges
from nightloom.curation.evalsets import FrozenEvalSet
from nightloom.curation.inputs import CurationInputs
from nightloom.curation.minhash import comparable_texts
from nightloom.curation.near_duplicates import find_near_duplicates
from nightloom.curation.passes import (
    Batch,
    Closed,
    Job,
    Scanned,
    SortKey,
    close_parts,
    scan_parts,
    write_job,
    write_signatures,
)
from nightloom.curation.scratch import Scratch
from nightloom.curation.texts import whole_text
from nightloom.processes.parent import in_child
from nightloom.recipes.preparation import Prepare
from nightloom.recipes.schema import AnswerField
from nightloom.rendering.token_budget import TokenBound
from nightloom.scanners.registry import make_checks

logger = logging.getLogger(__name__)

ITEMS: Schema = {"evalset": pl.String, "item_id": pl.String, "text": pl.String, "history": HISTORY}
"""Items of the eval sets, which no example may repeat."""

NO_FAILURES = pl.DataFrame(schema=FAILURES)
NOTHING_BEFORE = CurationInputs()
NO_ITEMS = pl.DataFrame(schema=ITEMS)

_COMPARED = ("row_id", "version", "outcome", "rule", "measured", "threshold", "into", "cluster_id", "split")
_DECIDED = _COMPARED[2:]


@dataclass(frozen=True, slots=True)
class Curation:
    """The result of curation: blobs of EXAMPLES, LEDGER, QUARANTINE and CONTAMINATION, and counts."""

    examples: tuple[str, ...]  # in the order of version and row id
    ledger: tuple[str, ...]
    quarantine: tuple[str, ...]
    contamination: str | None  # None if there are no evaluation items
    counts: tuple[RuleCount, ...]
    bound: TokenBound | None = None  # how bytes limit tokens; None if tokens are not counted


def curate_records(
    store: ObjectStore,
    records: Records,
    answer: Mapping[str, AnswerField],
    settings: Prepare,
    inputs: CurationInputs = NOTHING_BEFORE,
    *,
    items: pl.DataFrame = NO_ITEMS,
    failures: pl.DataFrame = NO_FAILURES,
) -> Curation:
    """Assign every record an outcome, and collect the examples.

    Memory holds one part for each process, and about fifty bytes for each row.

    Args:
        store: Holds the records, and receives the results.
        records: Rows as they were received.
        answer: Fields of the answer, and the values that they may have.
        settings: Policies and thresholds.
        inputs: What earlier nights and people decided.
        items: Evaluation items, which must not be trained on (ITEMS).
        failures: Newest rows that a suite refused (FAILURES).

    Raises:
        InputError: The base model has no tokenizer with a chat template, or a scanner is not installed.
        ManifestError: A blob is missing or damaged.
        StoreError: The store does not answer.
        InternalError: A row was lost.
        ChildError: A process was killed.
    """
    with scratch_folder() as folder:
        job = Job(
            records=records.content.parts,
            before=inputs.before,
            answer=dict(answer),
            settings=settings,
            checks=make_checks(settings),
            tokens=inputs.tokens,
        )
        batch = Batch(store, Scratch(folder), job)
        write_job(folder, job)
        batch.scratch.write("failures", failures)
        batch.scratch.write("releases", inputs.releases)
        batch.scratch.write("erased", pl.DataFrame({"digest": sorted(inputs.erased)}, {"digest": pl.String}))
        compared = _write_items(batch, items)
        batch.scratch.write("grams", contamination.index_items(compared))
        curation = _curate(batch, items)
    _account_for_all(curation, records.content.rows)
    counts = ", ".join(f"{count.rows} {count.outcome} ({count.rule or 'unchanged'})" for count in curation.counts)
    logger.info("records %s curated: %s", short(records.id), counts)
    return curation


def read_items(store: ObjectStore, eval_sets: Iterable[EvalSetId]) -> pl.DataFrame:
    """Return the items of frozen eval sets (ITEMS)."""
    items = [
        read_eval_set(store, evalset).select(pl.lit(evalset).alias("evalset"), "item_id", "text", "history")
        for evalset in eval_sets
    ]
    return pl.concat([NO_ITEMS, *items])


def _curate(batch: Batch, items: pl.DataFrame) -> Curation:
    scanned = _scan_all(batch)
    firsts = list(accumulate((part.rows for part in scanned), initial=0))
    items_near = _assign_near_duplicates(batch, firsts)
    edges = _choose_edges(scanned)
    closed = _close_all(batch, edges)
    return Curation(
        examples=put_parts(batch.store, _read_examples(batch, len(edges) + 1), EXAMPLES, sort=False),
        ledger=tuple(part.ledger for part in closed),
        quarantine=tuple(part.quarantine for part in closed),
        contamination=_measure_items(batch, items, items_near, firsts),
        counts=_add_counts(closed),
        bound=scanned[0].bound if scanned else None,
    )


def _write_items(batch: Batch, items: pl.DataFrame) -> pl.Series:
    """Write the items as one more part, and return their comparable texts."""
    texts = items.select(whole_text("history", "text").alias("text"))["text"]
    compared = comparable_texts(texts).alias("compared")
    rows = items.with_columns(compared, outcome=pl.lit(None, pl.String)).with_columns(key=rules.KEY)
    last = len(batch.job.records)
    batch.scratch.write_rows(last, rows)
    write_signatures(batch.scratch, last, rows, batch.job.settings.near_duplicate_similarity)
    return compared


def _scan_all(batch: Batch) -> list[Scanned]:
    # Tokens are counted by the interpreter that trains, because it has the tokenizers.
    python = None if batch.job.tokens else sys.executable
    return [Scanned.model_validate(one) for one in _each_part(batch, scan_parts, batch.scan, python)]


def _close_all(batch: Batch, edges: Sequence[SortKey]) -> list[Closed]:
    done = _each_part(batch, close_parts, lambda part: batch.close(part, edges), sys.executable, edges=list(edges))
    return [Closed.model_validate(one) for one in done]


def _each_part(
    batch: Batch, function: Callable[..., list[Any]], here: Callable[[int], Any], python: str | None, **arguments: Any
) -> list[Any]:
    """Return a function's result for each part.

    One part for this interpreter is handled in this process, others in as many processes as there are processors.
    """
    count = len(batch.job.records)
    children = min(count, len(os.sched_getaffinity(0)))
    if children == 1 and python == sys.executable:
        return [here(part) for part in range(count)]
    shares = [list(range(child, count, children)) for child in range(children)]

    def run(parts: list[int]) -> list[Any]:
        return in_child(function, python=python)(folder=str(batch.scratch.folder), parts=parts, **arguments)

    with ThreadPoolExecutor(children) as pool:
        done = dict(
            pair
            for parts, results in zip(shares, pool.map(run, shares), strict=True)
            for pair in zip(parts, results, strict=True)
        )
    return [done[part] for part in range(count)]


def _assign_near_duplicates(batch: Batch, firsts: Sequence[int]) -> pl.DataFrame:
    """Decide on rows with near-duplicates, and return `NearDuplicates.items`; the rest leaves memory."""
    scratch, settings = batch.scratch, batch.job.settings
    near_duplicates = find_near_duplicates(scratch, firsts, settings.near_duplicate_similarity)
    related = _read_related(scratch, firsts, near_duplicates.rows)
    kept_splits = pl.concat([scratch.read(f"kept_splits-{part}") for part in range(len(firsts) - 1)]).unique()
    scratch.write("kept_splits", kept_splits)
    _write_decisions(scratch, firsts, _decide_related(related, near_duplicates.pairs, kept_splits, settings))
    return near_duplicates.items


def _read_related(scratch: Scratch, firsts: Sequence[int], related: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with near-duplicates or near an item, the oldest first."""
    parts = []
    for part, (first, end) in enumerate(pairwise(firsts)):
        own = related.filter(pl.col("number").is_between(first, end - 1))
        texts = ["clean", "clean_history", "clean_answer"]
        columns = [*_COMPARED, "closed_answer", "key", "prior_cluster", "prior_split", *texts]
        if len(own):
            rows = scratch.read_rows(part, columns)[(own["number"] - first).to_list()]
            digests = {
                "text_digest": sha256(whole_text("clean_history", "clean")),
                "answer_digest": sha256(pl.col("clean_answer")),
            }
            parts.append(_copy(rows.with_columns(**digests).drop(texts).hstack(own)))
    return pl.concat(parts).sort("version", "row_id", maintain_order=True) if parts else pl.DataFrame()


def _copy(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a copy: rows picked from a frame would keep the texts of all its rows in memory."""
    return pl.DataFrame(pl.from_arrow(frame.to_arrow(compat_level=pl.CompatLevel.oldest())))


def _decide_related(
    rows: pl.DataFrame, pairs: pl.DataFrame, kept_splits: pl.DataFrame, settings: Prepare
) -> pl.DataFrame:
    """Return number and decision of the rows with near-duplicates or near an item."""
    if rows.is_empty():
        return pl.DataFrame(schema={"number": pl.UInt32, **dict.fromkeys(_DECIDED, pl.String)})
    similarity = settings.near_duplicate_similarity
    rows = rules.refuse_contaminated(rows, similarity)
    rows = quarantine_bridges(rows, pairs)
    rows = assign_clusters(rows, settings.split, kept_splits)
    rows = rules.refuse_contradictions(rows, settings.contradictions)
    rows = rules.merge_duplicates(rows, settings.near_duplicates, similarity)
    return rows.select("number", *_DECIDED)


def _write_decisions(scratch: Scratch, firsts: Sequence[int], decisions: pl.DataFrame) -> None:
    for part, (first, end) in enumerate(pairwise(firsts)):
        own = decisions.filter(pl.col("number").is_between(first, end - 1))
        scratch.write(f"decisions-{part}", own.with_columns(pl.col("number") - first))


def _choose_edges(scanned: Sequence[Scanned]) -> list[SortKey]:
    """Choose sort keys that cut the examples into as many ranges as there are parts, about equal in size."""
    sample = sorted(key for part in scanned for key in part.sample)
    count = len(scanned)
    return [sample[len(sample) * number // count] for number in range(1, count)] if sample else []


def _read_examples(batch: Batch, ranges: int) -> Iterator[pl.DataFrame]:
    """Return the examples of all parts, range by range, in the order of version and row id."""
    for number in range(ranges):
        examples = [batch.scratch.read_examples(part, number) for part in range(len(batch.job.records))]
        yield pl.concat(examples).sort("version", "row_id")


def _measure_items(batch: Batch, items: pl.DataFrame, items_near: pl.DataFrame, firsts: Sequence[int]) -> str | None:
    if items.is_empty():
        return None
    parts = range(len(batch.job.records))
    seen = pl.concat([batch.scratch.read(f"seen-{part}") for part in parts])["gram"].unique().sort()
    measured = contamination.measure_items(
        items.with_columns(text=whole_text("history", "text")),
        batch.scratch.read("grams"),
        seen.to_numpy(),
        pl.concat([_name_refused(batch.scratch, part, firsts[part : part + 2], items_near) for part in parts]),
        batch.job.settings.eval_containment,
    )
    return put_frame(batch.store, measured, CONTAMINATION)


def _name_refused(scratch: Scratch, part: int, span: Sequence[int], items_near: pl.DataFrame) -> pl.DataFrame:
    """Return item (position), row_id and similarity of rows of a part that were refused because of an item."""
    near = items_near.filter(pl.col("number").is_between(span[0], span[1] - 1))
    found = pl.concat(
        [
            near.select("item", pl.col("number") - span[0], "similarity"),
            scratch.read(f"contained-{part}").select("item", number="position", similarity=pl.lit(None, pl.Float64)),
        ],
        how="vertical_relaxed",
    )
    ids = scratch.read_rows(part, ["row_id"])["row_id"] if len(found) else pl.Series(dtype=pl.String)
    return found.select("item", ids.gather(found["number"]).alias("row_id"), "similarity")


def _add_counts(closed: Iterable[Closed]) -> tuple[RuleCount, ...]:
    lines = [count.model_dump() for part in closed for count in part.counts]
    counts = pl.DataFrame(lines, {"outcome": pl.String, "rule": pl.String, "rows": pl.Int64})
    added = counts.group_by("outcome", "rule").agg(pl.col("rows").sum()).sort("outcome", "rule")
    return tuple(RuleCount.model_validate(count) for count in added.to_dicts())


def _account_for_all(curation: Curation, rows_in: int) -> None:
    """Check that no row was lost: in = kept + repaired + merged + superseded + quarantined."""
    decided = sum(count.rows for count in curation.counts)
    if decided != rows_in:
        msg = f"curation lost rows: {rows_in} came in, {decided} have an outcome; report this bug"
        raise InternalError(msg)


def publish_curated(
    store: ObjectStore,
    records_id: RecordsId,
    eval_sets: Sequence[FrozenEvalSet],
    curation: Curation,
    inputs: CurationInputs,
    *,
    checks: Checks,
    expectations: Sequence[Any],
    refusal: str | None,
    record: CuratedProvenance,
) -> Curated:
    """Publish the result of curation with the results of the suites.

    Args:
        store: Where it goes.
        records_id: The records that were curated.
        eval_sets: Eval sets that no example repeats, in the recipe's order.
        curation: The result.
        inputs: What earlier nights and people decided.
        checks: Operations and scanners that cleaned the texts.
        expectations: Results of the suites, in their order.
        refusal: Why the whole batch is refused, or None if it passed.
        record: Provenance.
    """
    content = Curated.Content(
        records=records_id,
        eval_sets=tuple(each.manifest.id for each in eval_sets),
        eval_rows=tuple(each.rows for each in eval_sets),
        parent=inputs.parent,
        releases=put_frame(store, inputs.releases, RELEASES) if len(inputs.releases) else None,
        operations=checks.operations,
        scanners=checks.scanners,
        tokens=inputs.tokens,
        examples=curation.examples,
        ledger=curation.ledger,
        quarantine=curation.quarantine,
        contamination=curation.contamination,
        counts=curation.counts,
        expectations=tuple(expectations),
        refusal=refusal,
    )
    return store.publish(Curated(content=content, provenance=record))
