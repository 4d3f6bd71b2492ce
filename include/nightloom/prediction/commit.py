"""Commit: combine the shards of a plan into the night's predictions, if all shards and rows are there."""

from collections import Counter
from collections.abc import Sequence

from nightloom.artifacts.answers import add_up
from nightloom.artifacts.ids import PredictionPlanId
from nightloom.artifacts.predictions import (
    PREDICTION_STATUSES,
    PredictionPlan,
    Predictions,
    PredictionsContent,
    PredictionShard,
    ScannedAnswers,
)
from nightloom.core.counts import show_count
from nightloom.core.digests import short
from nightloom.core.errors import ChildError
from nightloom.core.store import ObjectStore
from nightloom.prediction.run import identify_shard


def commit_predictions(store: ObjectStore, plan_id: PredictionPlanId) -> Predictions:
    """Publish the predictions of a plan.

    Raises:
        ChildError: Shards or rows are missing.
    """
    plan = store.load(PredictionPlan, plan_id).content
    shards = _load_shards(store, plan_id, len(plan.shards))
    totals: Counter[str] = Counter()
    for shard in shards:
        totals.update(shard.result.counts)
    rows = sum(shard.result.rows for shard in shards)
    if not rows == totals.total() == plan.rows:
        msg = (
            f"plan {short(plan_id)} has {show_count(plan.rows, 'row')}, but its shards have {show_count(rows, 'row')} "
            f"and {show_count(totals.total(), 'result')}; report this, and predict again with a new plan"
        )
        raise ChildError(msg)
    content = PredictionsContent(
        plan=plan_id,
        files=tuple(shard.result.lines for shard in shards),
        counts={status: totals[status] for status in PREDICTION_STATUSES},
        answers=_add_up_scanned([shard.result.answers for shard in shards]),
        rows=rows,
    )
    return store.publish(Predictions(content=content))


def _add_up_scanned(shards: Sequence[ScannedAnswers]) -> ScannedAnswers:
    return ScannedAnswers(
        found=add_up(found for shard in shards for found in shard.found),
        redacted=sum(shard.redacted for shard in shards),
        withheld=sum(shard.withheld for shard in shards),
    )


def _load_shards(store: ObjectStore, plan_id: PredictionPlanId, number: int) -> list[PredictionShard]:
    found = [store.find(PredictionShard, identify_shard(plan_id, n)) for n in range(number)]
    shards = [shard for shard in found if shard is not None]
    if len(shards) < number:
        msg = (
            f"{number - len(shards)} of {number} shards of plan {short(plan_id)} are missing: a worker was killed or "
            f"is still running. Run the workers again; finished shards are kept"
        )
        raise ChildError(msg)
    return shards
