"""Curation: records in, examples out, and one line of the ledger for every record."""

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
from nightloom.curation.inputs import CurationInputs
from nightloom.curation.minhash import comparable_texts
from nightloom.curation.near_duplicates import find_relatives
from nightloom.curation.passes import (
    Batch,
    Closed,
    Job,
    Place,
    Scanned,
    close_parts,
    scan_parts,
    write_job,
    write_sketches,
)
from nightloom.curation.scratch import Scratch
from nightloom.curation.texts import whole_text
from nightloom.processes.parent import in_child
from nightloom.recipes.schema import AnswerField, Prepare
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
    """What records came to: blobs of EXAMPLES (in the order in which the rows came), LEDGER and QUARANTINE.

    And what bytes tell of the examples' tokens, where tokens were counted.
    """

    examples: tuple[str, ...]
    ledger: tuple[str, ...]
    quarantine: tuple[str, ...]
    contamination: str | None
    counts: tuple[RuleCount, ...]
    bound: TokenBound | None = None


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
    """Return every record its outcome, and the examples that remain.

    Memory holds one part for each process and some fifty bytes for each row, whatever the number of rows.

    Args:
        store: Where records are and results go.
        records: Rows as they were received.
        answer: Fields of the answer, and the values that they may have.
        settings: Policies and thresholds.
        inputs: What is taken over from earlier nights and from people.
        items: Evaluation items, which must not be trained on (ITEMS).
        failures: Newest rows that a suite refused (FAILURES).

    Raises:
        InputError: The base model has no tokenizer with a chat template, or a scanner is not there.
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
    logger.info("records %s: %s", short(records.id), _spell_counts(curation.counts))
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
    alike = _settle_relatives(batch, firsts)
    edges = _choose_edges(scanned)
    closed = _close_all(batch, edges)
    return Curation(
        examples=put_parts(batch.store, _read_examples(batch, len(edges) + 1), EXAMPLES, sort=False),
        ledger=tuple(part.ledger for part in closed),
        quarantine=tuple(part.quarantine for part in closed),
        contamination=_measure_items(batch, items, alike, firsts),
        counts=_add_counts(closed),
        bound=scanned[0].bound if scanned else None,
    )


def _write_items(batch: Batch, items: pl.DataFrame) -> pl.Series:
    """Keep the items as one more part, and give what they are compared by."""
    said = items.select(whole_text("history", "text").alias("said"))["said"]
    compared = comparable_texts(said).alias("compared")
    rows = items.with_columns(compared, outcome=pl.lit(None, pl.String)).with_columns(key=rules.KEY)
    last = len(batch.job.records)
    batch.scratch.write_rows(last, rows)
    write_sketches(batch.scratch, last, rows, batch.job.settings.near_duplicate_similarity)
    return compared


def _scan_all(batch: Batch) -> list[Scanned]:
    # Tokens are counted by the interpreter that trains, which has the tokenizers.
    python = None if batch.job.tokens else sys.executable
    return [Scanned.model_validate(one) for one in _each_part(batch, scan_parts, batch.scan, python)]


def _close_all(batch: Batch, edges: Sequence[Place]) -> list[Closed]:
    done = _each_part(batch, close_parts, lambda part: batch.close(part, edges), sys.executable, edges=list(edges))
    return [Closed.model_validate(one) for one in done]


def _each_part(
    batch: Batch, function: Callable[..., list[Any]], here: Callable[[int], Any], python: str | None, **arguments: Any
) -> list[Any]:
    """Do something for each part: in this process where it is one part for this interpreter.

    Otherwise in as many processes as there are processors.
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


def _settle_relatives(batch: Batch, firsts: Sequence[int]) -> pl.DataFrame:
    """Decide on rows that have something in common, and give what `Relatives` says of items: no more is held on."""
    scratch, settings = batch.scratch, batch.job.settings
    relatives = find_relatives(scratch, firsts, settings.near_duplicate_similarity)
    related = _read_related(scratch, firsts, relatives.rows)
    settled = pl.concat([scratch.read(f"settled-{part}") for part in range(len(firsts) - 1)]).unique()
    scratch.write("settled", settled)
    _write_decisions(scratch, firsts, _settle_related(related, relatives.pairs, settled, settings))
    return relatives.items


def _read_related(scratch: Scratch, firsts: Sequence[int], relatives: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that have something in common with others, the oldest first."""
    parts = []
    for part, (first, end) in enumerate(pairwise(firsts)):
        own = relatives.filter(pl.col("number").is_between(first, end - 1))
        columns = [*_COMPARED, "says", "key", "prior_cluster", "prior_split", "clean", "clean_history"]
        if len(own):
            rows = scratch.read_rows(part, columns)[(own["number"] - first).to_list()]
            said = sha256(whole_text("clean_history", "clean"))
            parts.append(_copy(rows.with_columns(said=said).drop("clean", "clean_history").hstack(own)))
    return pl.concat(parts).sort("version", "row_id", maintain_order=True) if parts else pl.DataFrame()


def _copy(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame of its own: rows that are picked out of many would keep the texts of all in memory."""
    return pl.DataFrame(pl.from_arrow(frame.to_arrow(compat_level=pl.CompatLevel.oldest())))


def _settle_related(rows: pl.DataFrame, pairs: pl.DataFrame, settled: pl.DataFrame, settings: Prepare) -> pl.DataFrame:
    """Return number and what was decided of the rows that have something in common with others."""
    if rows.is_empty():
        return pl.DataFrame(schema={"number": pl.UInt32, **dict.fromkeys(_DECIDED, pl.String)})
    similarity = settings.near_duplicate_similarity
    rows = rules.refuse_contaminated(rows, similarity)
    rows = quarantine_bridges(rows, pairs)
    rows = assign_clusters(rows, settings.split, settled)
    rows = rules.settle_contradictions(rows, settings.contradictions)
    rows = rules.merge_duplicates(rows, settings.near_duplicates, similarity)
    return rows.select("number", *_DECIDED)


def _write_decisions(scratch: Scratch, firsts: Sequence[int], decisions: pl.DataFrame) -> None:
    for part, (first, end) in enumerate(pairwise(firsts)):
        own = decisions.filter(pl.col("number").is_between(first, end - 1))
        scratch.write(f"decisions-{part}", own.with_columns(pl.col("number") - first))


def _choose_edges(scanned: Sequence[Scanned]) -> list[Place]:
    """Choose where examples are cut into as many ranges as there are parts, about equal in size."""
    sample = sorted(place for part in scanned for place in part.sample)
    count = len(scanned)
    return [sample[len(sample) * number // count] for number in range(1, count)] if sample else []


def _read_examples(batch: Batch, ranges: int) -> Iterator[pl.DataFrame]:
    """Return the examples of all parts, range by range, in the order in which they came."""
    for number in range(ranges):
        examples = [batch.scratch.read_examples(part, number) for part in range(len(batch.job.records))]
        yield pl.concat(examples).sort("version", "row_id")


def _measure_items(batch: Batch, items: pl.DataFrame, alike: pl.DataFrame, firsts: Sequence[int]) -> str | None:
    if items.is_empty():
        return None
    parts = range(len(batch.job.records))
    seen = pl.concat([batch.scratch.read(f"seen-{part}") for part in parts])["gram"].unique().sort()
    measured = contamination.measure_items(
        items.with_columns(text=whole_text("history", "text")),
        batch.scratch.read("grams"),
        seen.to_numpy(),
        pl.concat([_name_refused(batch.scratch, part, firsts[part : part + 2], alike) for part in parts]),
        batch.job.settings.eval_containment,
    )
    return put_frame(batch.store, measured, CONTAMINATION)


def _name_refused(scratch: Scratch, part: int, span: Sequence[int], alike: pl.DataFrame) -> pl.DataFrame:
    """Return item (place), row_id and similarity of rows of a part that were refused for being like an item."""
    near = alike.filter(pl.col("number").is_between(span[0], span[1] - 1))
    found = pl.concat(
        [
            near.select("item", pl.col("number") - span[0], "similarity"),
            scratch.read(f"contained-{part}").select("item", number="place", similarity=pl.lit(None, pl.Float64)),
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
    settled = sum(count.rows for count in curation.counts)
    if settled != rows_in:
        msg = f"curation lost rows: {rows_in} came in and {settled} have an outcome; report this fault"
        raise InternalError(msg)


def _spell_counts(counts: Iterable[RuleCount]) -> str:
    return ", ".join(f"{count.rows} {count.outcome} ({count.rule or 'sound'})" for count in counts)


def publish_curated(
    store: ObjectStore,
    records_id: RecordsId,
    eval_sets: Sequence[EvalSetId],
    curation: Curation,
    inputs: CurationInputs,
    *,
    checks: Checks,
    expectations: Sequence[Any],
    refusal: str | None,
    record: CuratedProvenance,
) -> Curated:
    """Keep what curation came to, with what the suites said of it.

    Args:
        store: Where it goes.
        records_id: The records that were curated.
        eval_sets: Eval sets that no example repeats, as the recipe orders them.
        curation: What they came to.
        inputs: What was taken over from earlier nights and from people.
        checks: What the texts went through.
        expectations: Results of the suites, in their order.
        refusal: Why the whole batch is refused; none: it is sound.
        record: What was seen besides.
    """
    content = Curated.Content(
        records=records_id,
        eval_sets=tuple(eval_sets),
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
