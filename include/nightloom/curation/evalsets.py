"""Eval sets: items with a right answer, frozen in the very words that the model will read."""

from collections.abc import Mapping

import polars as pl

from nightloom.artifacts.data import EvalSetIdentity, EvalSetManifest, EvalSetRecord
from nightloom.artifacts.frames import EVAL_ITEMS, put_frame
from nightloom.artifacts.leaves import rows_root
from nightloom.artifacts.reading import keep_newest, read_records
from nightloom.core.digests import digest_json
from nightloom.core.errors import InputError
from nightloom.core.recipes import AnswerField, Prepare
from nightloom.core.store import ObjectStore
from nightloom.curation import steps
from nightloom.curation.outcomes import OPEN, open_rows


def freeze_eval_set(
    store: ObjectStore, name: str, records_id: str, answer: Mapping[str, AnswerField], settings: Prepare
) -> EvalSetManifest:
    """Freeze records as an eval set: cleaned as training rows are, each text and answer once.

    Items that are nearly the same stay, and share a cluster.

    Args:
        store: Where it goes.
        name: What the recipe calls it.
        records_id: The rows, as they were received.
        answer: Fields of the answer, and the values that they may have.
        settings: How texts are cleaned, and how alike near-duplicates are.

    Raises:
        InputError: Not one row can be an item.
    """
    records = keep_newest(read_records(store, records_id))
    rows = steps.clean_texts(steps.refuse_answers(open_rows(records), answer), settings)
    rows = steps.relate_texts(rows, answer, (), settings.near_duplicate_similarity)
    kept = steps.assign_clusters(rows).filter(OPEN).with_columns(text="clean")
    ids = [digest_json({"text": text, "answer": given}) for text, given in kept.select("text", "answer").iter_rows()]
    items = kept.with_columns(pl.Series("item_id", ids, pl.String)).unique("item_id", keep="first")
    items = items.select(list(EVAL_ITEMS)).sort("item_id")
    if items.is_empty():
        msg = f"eval set {name!r} has no usable item among {len(records)} rows; check its source and task.answer"
        raise InputError(msg)
    identity = EvalSetIdentity(name=name, rows_root=rows_root(items), items=len(items))
    record = EvalSetRecord(frame=put_frame(store, items, EVAL_ITEMS), refused=len(records) - len(items))
    return store.publish(EvalSetManifest(identity=identity, record=record))
