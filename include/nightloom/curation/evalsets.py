"""Eval sets: freeze items with a reference answer, cleaned as the model will read them."""

from collections.abc import Mapping

import polars as pl

from nightloom.artifacts.data import EvalSetContent, EvalSetManifest, EvalSetProvenance
from nightloom.artifacts.frames import EVAL_ITEMS, RELEASES, put_frame
from nightloom.artifacts.histories import item_id
from nightloom.artifacts.ids import RecordsId
from nightloom.artifacts.leaves import rows_root
from nightloom.artifacts.reading import keep_newest, read_records
from nightloom.core.errors import InputError
from nightloom.core.scratch import scratch_folder
from nightloom.core.store import ObjectStore
from nightloom.curation import rules
from nightloom.curation.near_duplicates import find_near_duplicates
from nightloom.curation.outcomes import OPEN, open_rows
from nightloom.curation.passes import write_signatures
from nightloom.curation.scratch import Scratch
from nightloom.curation.texts import clean_rows
from nightloom.recipes.schema import AnswerField, Prepare
from nightloom.scanners.registry import make_checks


def freeze_eval_set(
    store: ObjectStore, name: str, records_id: RecordsId, answer: Mapping[str, AnswerField], settings: Prepare
) -> EvalSetManifest:
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
    records = keep_newest(read_records(store, records_id))
    rows = clean_rows(
        rules.refuse_answers(rules.refuse_no_chats(open_rows(records)), answer),
        answer,
        make_checks(settings),
        pl.DataFrame(schema=RELEASES),
    )
    rows = _assign_clusters(rules.compare_by(rows, answer), settings.near_duplicate_similarity)
    kept = rows.filter(OPEN).with_columns(text="clean", history="clean_history", answer="clean_answer")
    ids = [item_id(*item) for item in kept.select("text", "answer", "history").iter_rows()]
    items = kept.with_columns(pl.Series("item_id", ids, pl.String)).unique("item_id", keep="first")
    items = items.select(list(EVAL_ITEMS)).sort("item_id")
    if items.is_empty():
        msg = f"eval set {name!r} has no usable item in {len(records)} rows; check its source and task.answer"
        raise InputError(msg)
    content = EvalSetContent(name=name, rows_root=rows_root(items), items=len(items))
    provenance = EvalSetProvenance(frame=put_frame(store, items, EVAL_ITEMS), refused=len(records) - len(items))
    return store.publish(EvalSetManifest(content=content, provenance=provenance))


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
