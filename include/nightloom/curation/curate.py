"""Curation: records in, examples out, and one line of the ledger for every record."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from nightloom.artifacts.data import Curated, Expectation
from nightloom.artifacts.frames import EXAMPLES, FAILURES, LEDGER, QUARANTINE, put_frame
from nightloom.artifacts.parts import cut_into_parts, put_parts
from nightloom.core.digests import short
from nightloom.core.recipes import AnswerField, Prepare
from nightloom.core.store import ObjectStore
from nightloom.curation import steps
from nightloom.curation.outcomes import (
    close_rows,
    count_rules,
    list_examples,
    list_quarantine,
    open_rows,
    write_ledger,
)

logger = logging.getLogger(__name__)

NO_FAILURES = pl.DataFrame(schema=FAILURES)


@dataclass(frozen=True, slots=True)
class Curation:
    """What records came to: frames of EXAMPLES (in the order in which they came), LEDGER and QUARANTINE."""

    examples: pl.DataFrame
    ledger: pl.DataFrame
    quarantine: pl.DataFrame


def curate(
    records: pl.DataFrame,
    answer: Mapping[str, AnswerField],
    settings: Prepare,
    eval_texts: Sequence[str] = (),
    failures: pl.DataFrame = NO_FAILURES,
) -> Curation:
    """Give every record its outcome, and the examples that remain.

    Args:
        records: Rows as they were received (RECORDS).
        answer: Fields of the answer, and the values that they may have.
        settings: Policies and thresholds.
        eval_texts: Clean texts of evaluation items, which must not be trained on.
        failures: Newest rows that a suite refused (FAILURES).
    """
    similarity = settings.near_duplicate_similarity
    rows = open_rows(records)
    rows = steps.drop_deleted(steps.supersede_older(rows))
    rows = steps.refuse_failures(rows, failures)
    rows = steps.refuse_answers(rows, answer)
    rows = steps.clean_texts(rows, settings)
    rows = steps.relate_texts(rows, answer, eval_texts, similarity)
    rows = steps.refuse_contaminated(rows, similarity)
    rows = steps.settle_contradictions(rows, settings.contradictions)
    rows = steps.merge_duplicates(rows, settings.near_duplicates, similarity)
    rows = steps.assign_splits(steps.assign_clusters(rows), settings.split)
    rows = close_rows(rows)
    curation = Curation(list_examples(rows), write_ledger(rows), list_quarantine(rows))
    _account_for_all(curation, len(records))
    return curation


def publish_curated(
    store: ObjectStore,
    records_id: str,
    eval_sets: Sequence[str],
    curation: Curation,
    expectations: Sequence[Expectation],
    refusal: str | None,
) -> Curated:
    """Keep what curation came to, with what the suites said of it.

    Args:
        store: Where it goes.
        records_id: The records that were curated.
        eval_sets: Eval sets that no example repeats, as the recipe orders them.
        curation: What they came to.
        expectations: Results of the suites, in their order.
        refusal: Why the whole batch is refused; none: it is sound.
    """
    identity = Curated.Identity(
        records=records_id,
        eval_sets=tuple(eval_sets),
        parent=None,
        releases=None,
        operations={},
        examples=(put_frame(store, curation.examples, EXAMPLES, sort=False),),
        ledger=put_parts(store, cut_into_parts([curation.ledger], LEDGER), LEDGER),
        quarantine=put_parts(store, cut_into_parts([curation.quarantine], QUARANTINE), QUARANTINE),
        contamination=None,
        counts=count_rules(curation.ledger),
        expectations=tuple(expectations),
        refusal=refusal,
    )
    logger.info("records %s: %s", short(records_id), _spell_counts(identity))
    return store.publish(Curated(identity=identity))


def _account_for_all(curation: Curation, rows_in: int) -> None:
    """Check that no row was lost: in = kept + repaired + merged + superseded + quarantined, and frames agree."""
    outcomes = curation.ledger["outcome"]
    settled = len(outcomes) - outcomes.null_count()
    kept, quarantined = outcomes.is_in(["kept", "repaired"]).sum(), (outcomes == "quarantined").sum()
    if (settled, kept, quarantined) != (rows_in, len(curation.examples), len(curation.quarantine)):
        msg = f"curation lost rows: {rows_in} came in and {settled} have an outcome; report this fault"
        raise AssertionError(msg)


def _spell_counts(identity: Curated.Identity) -> str:
    return ", ".join(f"{count.rows} {count.outcome} ({count.rule or 'sound'})" for count in identity.counts)
