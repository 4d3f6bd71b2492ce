"""Passes: the two passes of curation over the parts, in child processes if there are several parts.

The first pass applies the rules that need a single row, and computes MinHash signatures. Between the passes, the rules
for near-duplicates decide on groups of rows. The second pass finalises the rest and writes the results.
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
from nightloom.core.counts import show_count
from nightloom.core.manifests import Plain
from nightloom.core.store import ObjectStore
from nightloom.curation import contamination, rules
from nightloom.curation.clusters import choose_splits, list_kept_splits
from nightloom.curation.minhash import compute_signatures
from nightloom.curation.outcomes import (
    OPEN,
    assign_outcome,
    close_rows,
    count_rules,
    list_examples,
    list_quarantine,
    open_rows,
    write_ledger,
)
from nightloom.curation.scratch import Scratch
from nightloom.curation.texts import clean_rows
from nightloom.recipes.preparation import Prepare
from nightloom.recipes.schema import AnswerField
from nightloom.registry.store import open_store
from nightloom.rendering.token_budget import TokenBound, find_bound

logger = logging.getLogger(__name__)

_SAMPLED = 512  # one row in so many is sampled, to choose where ranges of rows are cut

SortKey = tuple[str, str]
"""Version and row id: the order of examples, the oldest first."""


class Job(Plain):
    """Inputs for curating one batch, besides the frames in the scratch folder."""

    records: tuple[str, ...]
    before: tuple[str, ...]
    answer: dict[str, AnswerField]
    settings: Prepare
    checks: Checks
    tokens: TokenBudget | None


class Scanned(Plain):
    """Result of the first pass for one part."""

    rows: int
    sample: tuple[SortKey, ...]
    bound: TokenBound | None


class Closed(Plain):
    """Result of the second pass for one part."""

    ledger: str
    quarantine: str
    counts: tuple[RuleCount, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch under curation.

    Attributes:
        store: Holds the records, and receives the results.
        scratch: Files between the passes. Before the first pass it holds the frames `failures` (FAILURES), `releases`
            (RELEASES), `erased` and `grams` (of contamination.index_items). Before the second it also holds
            `kept_splits` (of clusters.list_kept_splits) and `decisions` for each part.
        job: The other inputs.
    """

    store: ObjectStore
    scratch: Scratch
    job: Job

    def scan(self, part: int) -> Scanned:
        """Apply the rules that need a single row, and compute the signatures of the rows that stay open."""
        answer, settings = self.job.answer, self.job.settings
        rows = open_rows(get_frame(self.store, self.job.records[part], RECORDS))
        rows = rules.refuse_equal_versions(rules.supersede_older(rows))
        rows = rules.refuse_erased(rows, self.scratch.read("erased")["digest"])
        releases = self.scratch.read("releases")
        # Rules that no one can waive come first: a released row must not be refused by one of them afterwards.
        rows = rules.refuse_answers(rules.refuse_unusable(rows), answer)
        rows = rules.refuse_timeless(rows, releases)
        rows = rules.refuse_failures(rows, self.scratch.read("failures"), releases)
        rows = clean_rows(rows, answer, self.job.checks, releases)
        bound = find_bound(self.store, self.job.tokens) if self.job.tokens else None
        if self.job.tokens and bound:
            rows = rules.refuse_roles(self.store, rows, self.job.tokens)
            rows = rules.refuse_tokens(self.store, rows, self.job.tokens, bound, releases)
        rows = rules.compare_by(rows, answer)
        rows = self._refuse_overlap_with_items(part, rows)
        rows = rows.join(self._read_clusters(part), on="row_id", how="left", maintain_order="left")
        self.scratch.write_rows(part, rows)
        write_signatures(self.scratch, part, rows, settings.near_duplicate_similarity)
        sample = rows.select("version", "row_id").gather_every(_SAMPLED, _SAMPLED // 2).rows()
        logger.info("part %d of %d scanned: %s", part + 1, len(self.job.records), show_count(len(rows), "row"))
        return Scanned(rows=len(rows), sample=tuple(sample), bound=bound)

    def close(self, part: int, edges: Sequence[SortKey]) -> Closed:
        """Finalise a part, and write ledger, quarantine, and examples in ranges that `edges` separate."""
        rows = self._apply_decisions(part)
        alone = pl.when(OPEN & pl.col("cluster_id").is_null())
        rows = rows.with_columns(
            cluster_id=alone.then(pl.coalesce("prior_cluster", "key")).otherwise("cluster_id"),
            split=alone.then("prior_split").otherwise("split"),
        )
        rows = close_rows(choose_splits(rows, self.job.settings.split, self.scratch.read("kept_splits")))
        examples, ledger, refused = list_examples(rows), write_ledger(rows), list_quarantine(rows)
        self._keep_grams(part, rows)
        self.scratch.write_examples(part, _cut(examples, edges))
        logger.info("part %d of %d closed: %s", part + 1, len(self.job.records), show_count(len(examples), "example"))
        return Closed(
            ledger=put_frame(self.store, ledger, LEDGER),
            quarantine=put_frame(self.store, refused, QUARANTINE),
            counts=count_rules(ledger),
        )

    def _read_clusters(self, part: int) -> pl.DataFrame:
        """Return row_id, prior_cluster and prior_split of the rows of a part that were there the night before."""
        blobs = overlapping_parts(self.job.before, part, len(self.job.records))
        lines = [get_frame(self.store, blob, LEDGER).select("row_id", "cluster_id", "split") for blob in blobs]
        schema = dict.fromkeys(("row_id", "cluster_id", "split"), pl.String)
        found = pl.concat([pl.DataFrame(schema=schema), *lines]).drop_nulls().unique("row_id", keep="any")
        self.scratch.write(f"kept_splits-{part}", list_kept_splits(found, self.job.settings.split))
        return found.rename({"cluster_id": "prior_cluster", "split": "prior_split"})

    def _refuse_overlap_with_items(self, part: int, rows: pl.DataFrame) -> pl.DataFrame:
        """Quarantine rows that overlap with an item, and keep the n-grams that other rows repeat."""
        items = self.scratch.read("grams")
        threshold = self.job.settings.eval_containment
        positions = rows.select(OPEN.arg_true())["outcome"].cast(pl.UInt32)
        repeated = contamination.find_repeated(rows["compared"].gather(positions), positions.to_numpy(), items)
        self.scratch.write(f"grams-{part}", repeated)
        shares = contamination.measure_rows(repeated, rows["compared"], items)
        self.scratch.write(f"contained-{part}", shares.filter(pl.col("containment") >= threshold))
        joined = rows.with_row_index("position").join(shares, on="position", how="left", maintain_order="left")
        assigned = assign_outcome(
            joined,
            pl.col("containment") >= threshold,
            "quarantined",
            "in_eval_set",
            measured=pl.format("{} of {}", pl.col("containment").round(4), "grams"),
            threshold=pl.lit(str(threshold)),
        )
        return assigned.drop("position", "item", "containment", "grams")

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
        seen = repeated.filter(pl.col("position").is_in(kept.implode())).select(pl.col("gram").unique())
        self.scratch.write(f"seen-{part}", seen)


def write_signatures(scratch: Scratch, part: int, rows: pl.DataFrame, similarity: float) -> None:
    """Compute and write the signatures of a part's open rows; they have the columns `compared` and `key`."""
    opened = rows.with_row_index("position").filter(OPEN)
    signatures = compute_signatures(opened["compared"].to_list(), similarity)
    scratch.write_signatures(part, opened["position"].to_numpy(), opened["key"], signatures)


def scan_parts(folder: str, parts: list[int]) -> list[dict[str, object]]:
    """Scan some parts, as a child process."""
    batch = _open_batch(folder)
    return [batch.scan(part).model_dump(mode="json") for part in parts]


def close_parts(folder: str, parts: list[int], edges: list[list[str]]) -> list[dict[str, object]]:
    """Close some parts, as a child process."""
    batch = _open_batch(folder)
    keys = [(version, row_id) for version, row_id in edges]
    return [batch.close(part, keys).model_dump(mode="json") for part in parts]


def write_job(folder: Path, job: Job) -> None:
    """Write the job for child processes."""
    (folder / "job.json").write_text(job.model_dump_json(), encoding="utf-8")


def _open_batch(folder: str) -> Batch:
    text = (Path(folder) / "job.json").read_text(encoding="utf-8")
    return Batch(open_store(), Scratch(Path(folder)), Job.model_validate_json(text))


def _cut(examples: pl.DataFrame, edges: Sequence[SortKey]) -> list[pl.DataFrame]:
    """Cut sorted examples into ranges, each ending before the next edge."""
    versions, ids = examples["version"], examples["row_id"]
    ends = [bisect_left(range(len(examples)), edge, key=lambda n: (versions[n], ids[n])) for edge in edges]
    starts = [0, *ends]
    return [examples[start:end] for start, end in zip(starts, [*ends, len(examples)], strict=True)]
