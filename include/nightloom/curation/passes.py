"""Passes: what curation does part by part, in processes of its own where there are many.

The first pass settles what a row alone decides, and sketches what it is compared by. Between the passes, rows that
have something in common with others are settled together. The second pass settles the rest and writes it down.
"""

import logging
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from nightloom.artifacts.data import RuleCount, TokenBudget
from nightloom.artifacts.frames import LEDGER, QUARANTINE, RECORDS, get_frame, put_frame
from nightloom.artifacts.models import Checks
from nightloom.artifacts.parts import overlapping_parts
from nightloom.core.manifests import Plain
from nightloom.core.store import ObjectStore
from nightloom.curation import contamination, rules
from nightloom.curation.clusters import choose_splits, list_settled
from nightloom.curation.minhash import sketch_texts
from nightloom.curation.outcomes import (
    OPEN,
    close_rows,
    count_rules,
    list_examples,
    list_quarantine,
    open_rows,
    settle,
    write_ledger,
)
from nightloom.curation.scratch import Scratch
from nightloom.curation.texts import clean_rows
from nightloom.recipes.schema import AnswerField, Prepare
from nightloom.registry.store import open_store
from nightloom.rendering.token_budget import TokenBound, find_bound

logger = logging.getLogger(__name__)

_SAMPLED = 512  # of every so many rows of a part one tells where ranges of rows may be cut

Place = tuple[str, str]
"""Version and row id: where a row stands in the order in which rows came."""


class Job(Plain):
    """What curating one batch takes, besides frames that lie in the scratch folder."""

    records: tuple[str, ...]
    before: tuple[str, ...]
    answer: dict[str, AnswerField]
    settings: Prepare
    checks: Checks
    tokens: TokenBudget | None


class Scanned(Plain):
    """What the first pass says of a part."""

    rows: int
    sample: tuple[Place, ...]
    bound: TokenBound | None


class Closed(Plain):
    """What the second pass says of a part."""

    ledger: str
    quarantine: str
    counts: tuple[RuleCount, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch under curation.

    Attributes:
        store: Where records come from and results go.
        scratch: Where passes leave what they found. It holds the frames `failures` (FAILURES), `releases` (RELEASES),
            `erased` and `grams` (of contamination.index_items) before the first pass, and before
            the second `settled` (of clusters.list_settled) and for each part `decisions`.
        job: The rest.
    """

    store: ObjectStore
    scratch: Scratch
    job: Job

    def scan(self, part: int) -> Scanned:
        """Settle what each row of a part decides alone, and sketch the others."""
        answer, settings = self.job.answer, self.job.settings
        rows = open_rows(get_frame(self.store, self.job.records[part], RECORDS))
        rows = rules.drop_deleted(rules.supersede_older(rows))
        rows = rules.refuse_erased(rows, self.scratch.read("erased")["digest"])
        releases = self.scratch.read("releases")
        rows = rules.refuse_failures(rows, self.scratch.read("failures"), releases)
        rows = rules.refuse_answers(rules.refuse_no_chats(rows), answer)
        rows = clean_rows(rows, answer, self.job.checks, releases)
        bound = find_bound(self.store, self.job.tokens) if self.job.tokens else None
        if self.job.tokens and bound:
            rows = rules.refuse_tokens(self.store, rows, self.job.tokens, bound, releases)
        rows = rules.compare_by(rows, answer)
        rows = self._find_words_of_items(part, rows)
        rows = rows.join(self._read_clusters(part), on="row_id", how="left", maintain_order="left")
        self.scratch.write_rows(part, rows)
        write_sketches(self.scratch, part, rows, settings.near_duplicate_similarity)
        sample = rows.select("version", "row_id").gather_every(_SAMPLED, _SAMPLED // 2).rows()
        logger.info("part %d of %d scanned: %d rows", part + 1, len(self.job.records), len(rows))
        return Scanned(rows=len(rows), sample=tuple(sample), bound=bound)

    def close(self, part: int, edges: Sequence[Place]) -> Closed:
        """Settle what is open in a part, and keep ledger, quarantine and examples, these cut into ranges at `edges`."""
        rows = self._apply_decisions(part)
        alone = pl.when(OPEN & pl.col("cluster_id").is_null())
        rows = rows.with_columns(
            cluster_id=alone.then(pl.coalesce("prior_cluster", "key")).otherwise("cluster_id"),
            split=alone.then("prior_split").otherwise("split"),
        )
        rows = close_rows(choose_splits(rows, self.job.settings.split, self.scratch.read("settled")))
        examples, ledger, refused = list_examples(rows), write_ledger(rows), list_quarantine(rows)
        self._keep_grams(part, rows)
        self.scratch.write_examples(part, _cut(examples, edges))
        logger.info("part %d of %d settled: %d examples", part + 1, len(self.job.records), len(examples))
        return Closed(
            ledger=put_frame(self.store, ledger, LEDGER),
            quarantine=put_frame(self.store, refused, QUARANTINE),
            counts=count_rules(ledger),
        )

    def _read_clusters(self, part: int) -> pl.DataFrame:
        """Return row_id, prior_cluster and prior_split of the rows of a part that had them the night before."""
        blobs = overlapping_parts(self.job.before, part, len(self.job.records))
        lines = [get_frame(self.store, blob, LEDGER).select("row_id", "cluster_id", "split") for blob in blobs]
        schema = dict.fromkeys(("row_id", "cluster_id", "split"), pl.String)
        found = pl.concat([pl.DataFrame(schema=schema), *lines]).drop_nulls().unique("row_id", keep="any")
        self.scratch.write(f"settled-{part}", list_settled(found, self.job.settings.split))
        return found.rename({"cluster_id": "prior_cluster", "split": "prior_split"})

    def _find_words_of_items(self, part: int, rows: pl.DataFrame) -> pl.DataFrame:
        """Quarantine rows that hold most of an item or stand in one, and note what others repeat."""
        items = self.scratch.read("grams")
        threshold = self.job.settings.eval_containment
        places = rows.select(OPEN.arg_true())["outcome"].cast(pl.UInt32)
        repeated = contamination.find_repeated(rows["compared"].gather(places), places.to_numpy(), items)
        self.scratch.write(f"grams-{part}", repeated)
        shares = contamination.measure_rows(repeated, rows["compared"], items)
        self.scratch.write(f"contained-{part}", shares.filter(pl.col("containment") >= threshold))
        joined = rows.with_row_index("place").join(shares, on="place", how="left", maintain_order="left")
        settled = settle(
            joined,
            pl.col("containment") >= threshold,
            "quarantined",
            "in_eval_set",
            measured=pl.format("{} of 8-grams", pl.col("containment").round(4)),
            threshold=pl.lit(str(threshold)),
        )
        return settled.drop("place", "item", "containment")

    def _apply_decisions(self, part: int) -> pl.DataFrame:
        rows = self.scratch.read_rows(part)
        own = self.scratch.read(f"decisions-{part}")
        columns = [name for name in own.columns if name != "number"]
        numbered = rows.with_row_index("number")
        joined = numbered.join(own, on="number", how="left", maintain_order="left", suffix="_decided")
        return joined.with_columns(pl.coalesce(f"{name}_decided", name).alias(name) for name in columns).select(
            rows.columns
        )

    def _keep_grams(self, part: int, rows: pl.DataFrame) -> None:
        kept = rows.select(pl.col("outcome").is_in(["kept", "repaired"]).arg_true())["outcome"].cast(pl.UInt32)
        repeated = self.scratch.read(f"grams-{part}")
        seen = repeated.filter(pl.col("place").is_in(kept.implode())).select(pl.col("gram").unique())
        self.scratch.write(f"seen-{part}", seen)


def write_sketches(scratch: Scratch, part: int, rows: pl.DataFrame, similarity: float) -> None:
    """Sketch the open rows of a part; they have `compared` and `key`."""
    opened = rows.with_row_index("place").filter(OPEN)
    sketches = sketch_texts(opened["compared"].to_list(), similarity)
    scratch.write_sketches(part, opened["place"].to_numpy(), opened["key"], sketches)


def scan_parts(folder: str, parts: list[int]) -> list[dict[str, object]]:
    """Scan some parts: for a process of its own."""
    batch = _open_batch(folder)
    return [batch.scan(part).model_dump(mode="json") for part in parts]


def close_parts(folder: str, parts: list[int], edges: list[list[str]]) -> list[dict[str, object]]:
    """Close some parts: for a process of its own."""
    batch = _open_batch(folder)
    places = [(version, row_id) for version, row_id in edges]
    return [batch.close(part, places).model_dump(mode="json") for part in parts]


def write_job(folder: Path, job: Job) -> None:
    """Keep the job where processes of their own find it."""
    (folder / "job.json").write_text(job.model_dump_json(), encoding="utf-8")


def _open_batch(folder: str) -> Batch:
    text = (Path(folder) / "job.json").read_text(encoding="utf-8")
    return Batch(open_store(), Scratch(Path(folder)), Job.model_validate_json(text))


def _cut(examples: pl.DataFrame, edges: Sequence[Place]) -> list[pl.DataFrame]:
    """Cut examples in their order into ranges that end before these places."""
    versions, ids = examples["version"], examples["row_id"]
    ends = [bisect_left(range(len(examples)), edge, key=lambda n: (versions[n], ids[n])) for edge in edges]
    starts = [0, *ends]
    return [examples[start:end] for start, end in zip(starts, [*ends, len(examples)], strict=True)]
