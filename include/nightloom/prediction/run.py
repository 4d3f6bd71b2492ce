"""Run: workers lease shards of a plan until none is free, and commit each by one conditional put.

A shard is identified by plan and number, and has all of its rows or does not exist. A killed worker only loses its
current shard, and two workers on one shard commit it once.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import cache

from nightloom.artifacts.answers import add_up
from nightloom.artifacts.ids import PredictionPlanId
from nightloom.artifacts.models import ModelRef
from nightloom.artifacts.predictions import PREDICTION_STATUSES, PredictionPlan, PredictionShard, ScannedAnswers
from nightloom.artifacts.prompts import Prompt
from nightloom.core.counts import show_count
from nightloom.core.digests import short
from nightloom.core.store import ObjectStore
from nightloom.engines.base import Engine
from nightloom.engines.opening import open_engine
from nightloom.prediction.answering import PredictionBatch, answer_rows
from nightloom.prediction.lines import ResultLine, dump_lines
from nightloom.registry.database import Database, open_database
from nightloom.registry.leases import drop_lease, take_lease
from nightloom.registry.store import open_store

logger = logging.getLogger(__name__)

_LEASE = timedelta(minutes=10)
_PROGRESS_S = 5.0
_LEAST_SHARE = 0.02
"""Share of all rows that must be measured before a time left is shown."""

OpenEngine = Callable[[ObjectStore, ModelRef], Engine]


def run_predictions(plan_id: PredictionPlanId, worker: str) -> int:
    """Predict shards as one worker, with the configured store and registry: entry point of a child process."""
    return predict_shards(open_store(), open_database(), plan_id, worker)


def predict_shards(
    store: ObjectStore,
    database: Database,
    plan_id: PredictionPlanId,
    worker: str,
    open_engine: OpenEngine = open_engine,
) -> int:
    """Predict shards of a plan until none is free, and return the number of rows predicted by this worker.

    Args:
        store: Holds the plan, and gets the shards.
        database: Holds the leases.
        plan_id: The plan.
        worker: Holder of the leases; a restarted worker of the same name resumes its own leases at once.
        open_engine: Loads the plan's model; called once, and only if there is a row to ask about.

    Raises:
        ChildError: The engine is broken.
    """
    plan = store.load(PredictionPlan, plan_id)
    leases = _Leases(database, plan_id, worker)
    progress = _Progress(plan)

    @cache
    def open_once() -> Engine:
        engine = open_engine(store, plan.content.model)
        progress.begin()
        return engine

    prompt = store.load(Prompt, plan.content.task.prompt).content
    batch = PredictionBatch(plan_id, plan.content, prompt, store, open_once)
    for number in _free_shards(store, leases, plan, progress):

        def report(rows: int, number: int = number) -> None:
            leases.renew(number)
            progress.add(rows)

        store.publish(_predict_shard(batch, number, report))
    logger.info("plan %s: worker %s finished %d of %d rows", short(plan_id), worker, progress.done, plan.content.rows)
    return progress.done


def are_done(store: ObjectStore, plan_id: PredictionPlanId) -> bool:
    """Whether every shard of a plan is predicted."""
    plan = store.load(PredictionPlan, plan_id)
    return all(store.find(PredictionShard, identify_shard(plan_id, n)) for n in range(len(plan.content.shards)))


def identify_shard(plan_id: PredictionPlanId, number: int) -> PredictionShard.Key:
    """Return the key of a finished shard."""
    return PredictionShard.Key(plan=plan_id, shard=number)


def _free_shards(store: ObjectStore, leases: "_Leases", plan: PredictionPlan, progress: "_Progress") -> Iterator[int]:
    """Return the numbers of shards that are neither finished nor leased, each leased while it is predicted."""
    pending = list(range(len(plan.content.shards)))
    while (number := leases.take(pending)) is not None:
        pending.remove(number)
        # Checked under the lease: its last holder may have committed the shard in the meantime.
        finished = store.find(PredictionShard, identify_shard(plan.id, number))
        if finished is None:
            yield number
        else:
            progress.skip(finished.result.rows)
        leases.drop(number)


def _predict_shard(batch: PredictionBatch, number: int, on_rows: Callable[[int], None]) -> PredictionShard:
    started = time.monotonic()
    lines = answer_rows(batch, batch.plan.shards[number], on_rows)
    counts = Counter(line.nightloom.status for line in lines)
    result = PredictionShard.Result(
        lines=batch.store.put_blob(dump_lines(lines)),
        counts={status: counts[status] for status in PREDICTION_STATUSES},
        answers=_count_scanned(lines),
        rows=len(lines),
        seconds=round(time.monotonic() - started, 3),
    )
    return PredictionShard(key=identify_shard(batch.plan_id, number), result=result)


def _count_scanned(lines: Sequence[ResultLine]) -> ScannedAnswers:
    scanned = [line.nightloom for line in lines if line.nightloom.found]
    withheld = sum(outcome.blocked for outcome in scanned)
    found = add_up(one for outcome in scanned for one in outcome.found)
    return ScannedAnswers(found=found, redacted=len(scanned) - withheld, withheld=withheld)


class _Leases:
    """Leases of one worker on the shards of one plan."""

    def __init__(self, database: Database, plan_id: PredictionPlanId, worker: str) -> None:
        self._database = database
        self._scope = f"prediction_plan/{plan_id}"
        self._worker = worker

    def take(self, numbers: list[int]) -> int | None:
        key = take_lease(self._database, self._scope, [str(n) for n in numbers], self._worker, _LEASE)
        return None if key is None else int(key)

    def renew(self, number: int) -> None:
        self.take([number])

    def drop(self, number: int) -> None:
        drop_lease(self._database, self._scope, str(number), self._worker)


class _Progress:
    """Progress of a worker, logged every few seconds."""

    def __init__(self, plan: PredictionPlan) -> None:
        self.done = 0
        self._plan = plan
        self._left = plan.content.rows
        self._warm = 0
        self._began = self._logged = time.monotonic()

    def begin(self) -> None:
        """Start the clock, once the engine is loaded."""
        self._began = self._logged = time.monotonic()

    def skip(self, rows: int) -> None:
        """Count rows that were finished before."""
        self._left -= rows

    def add(self, rows: int) -> None:
        """Count rows that this worker finished."""
        self.done += rows
        self._left -= rows
        now = time.monotonic()
        if not self._warm:
            # The first rows load kernels and fill caches, so their time says nothing about the others.
            self._warm, self._began = self.done, now
        if now - self._logged >= _PROGRESS_S:
            self._logged = now
            logger.info(
                "plan %s: %s done%s", short(self._plan.id), show_count(self.done, "row"), self._describe_rest(now)
            )

    def _describe_rest(self, now: float) -> str:
        """Return speed and time left, once enough rows were measured to know them."""
        measured, seconds = self.done - self._warm, now - self._began
        if measured < _LEAST_SHARE * self._plan.content.rows or not (measured and seconds):
            return ""
        rate = measured / seconds
        return f", {rate:.1f} rows/s, at most {self._left / rate:.0f} s left"
