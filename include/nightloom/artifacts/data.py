"""Data manifests: extracted records, eval sets, snapshots, and what preparing a night came to."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from nightloom.artifacts.ids import BaseId, CuratedId, EvalSetId, PreparationId, PromptId, RecordsId, SnapshotId
from nightloom.artifacts.models import Checks
from nightloom.core.manifests import Artifact, CachedResult, Plain
from nightloom.core.names import BLOB, BlobId, Names

RecordsPart = Annotated[str, Names(BLOB, "records")]
LedgerPart = Annotated[str, Names(BLOB, "ledger")]
QuarantinePart = Annotated[str, Names(BLOB, "quarantine")]

Outcome = Literal["kept", "repaired", "merged", "superseded", "quarantined"]


class Empty(Plain):
    """A record that tells nothing."""


class RecordsContent(Plain):
    """Rows of one source at one cut, as received."""

    rows: int
    new_rows: int = Field(
        description="Rows whose version lies within the night's cut; all, where there are no versions."
    )
    parts: tuple[RecordsPart, ...] = Field(description="Blobs of RECORDS frames, cut by the hash of the row id.")


class Records(Artifact[RecordsId]):
    """Extracted rows, before anything was done to them."""

    kind: ClassVar[str] = "records"
    content: RecordsContent
    provenance: Empty = Empty()


class EvalSetContent(Plain):
    """Items with a right answer."""

    name: str
    rows_root: str = Field(description="Merkle root of the items, sorted by id.")
    items: int


class EvalSetProvenance(Plain):
    """Where the items lie."""

    frame: Annotated[str, Names(BLOB, "eval_items")] = Field(description="Blob of an EVAL_ITEMS frame.")
    refused: int = Field(description="Rows of the source that could not be items: no answer, or twice there.")


class EvalSetManifest(Artifact[EvalSetId]):
    """An eval set, frozen."""

    kind: ClassVar[str] = "evalset"
    content: EvalSetContent
    provenance: EvalSetProvenance


class SnapshotContent(Plain):
    """The whole training state: rows with their cluster and split."""

    rows_root: str = Field(description="Merkle root of the rows, sorted by id.")
    columns: tuple[str, ...]
    splits: dict[str, int] = Field(description="Rows in each split.")


class SnapshotFile(Plain):
    """One Parquet shard, sorted by row id."""

    sha256: Annotated[str, Names(BLOB, "examples")]
    rows: int
    first_id: str
    last_id: str


class SnapshotProvenance(Plain):
    """How the rows are stored, and where they came from."""

    files: tuple[SnapshotFile, ...]
    recipe: str
    night: str
    parent: SnapshotId | None = Field(description="Snapshot that was `latest` before.")


class Snapshot(Artifact[SnapshotId]):
    """Training data, frozen. Unchanged data has an unchanged id."""

    kind: ClassVar[str] = "snapshot"
    content: SnapshotContent
    provenance: SnapshotProvenance


class RuleCount(Plain):
    """Rows that one rule gave one outcome."""

    outcome: Outcome
    rule: str | None
    rows: int


class PlantedResult(Plain):
    """How one kind of planted fault fared against its expected outcome."""

    kind: str
    outcome: str
    rule: str
    planted: int
    as_expected: int
    false_positives: int | None = Field(
        description="Rows that were not planted, and that the same rule treated; none: no rule must decide."
    )


class Expectation(Plain):
    """One Great Expectations result, without row text."""

    suite: str
    name: str
    column: str | None
    success: bool
    unexpected: int = Field(description="Rows that failed it.")
    measured: float | None = Field(
        default=None, description="What was measured of the whole batch; none: it speaks of rows, or of no number."
    )
    limit: str | None = Field(default=None, description="What it asks of that number.")


class CuratedProvenance(Plain):
    """What was seen when the records were curated first."""

    docs: BlobId | None = Field(
        default=None, description="Blob of Great Expectations' Data Docs of the suites' results, one page; none: none."
    )
    labels: dict[str, dict[str, int]] = Field(
        default_factory=dict, description="Examples by the value of each closed field of the answer."
    )
    text_lengths: dict[str, int] = Field(
        default_factory=dict,
        description="Examples by the length of their texts, under the greatest power of two that is not longer.",
    )


class TokenBudget(Plain):
    """What the tokens of a row are counted by, and how many it may have."""

    base: BaseId = Field(description="Base model, whose tokenizer and chat template count.")
    prompt: PromptId = Field(description="Prompt version around the row.")
    output: Literal["json", "text"]
    field_order: tuple[str, ...]
    most: int | None = Field(description="Tokens of a whole example; none: those of the base model's context.")


class Curated(Artifact[CuratedId]):
    """Rows after curation, before they are frozen."""

    class Content(Plain):
        """Examples, ledger and quarantine of one set of records."""

        records: RecordsId
        eval_sets: tuple[EvalSetId, ...] = Field(
            description="Eval sets that no example may repeat, as the recipe orders them."
        )
        parent: PreparationId | None = Field(
            description="Preparation whose clusters and splits were taken over; none for the first."
        )
        releases: Annotated[str, Names(BLOB, "releases")] | None = Field(
            description="Blob of a RELEASES frame: rows that people let through; none: none."
        )
        operations: dict[str, int] = Field(description="Operations that cleaned the texts, with their versions.")
        scanners: dict[str, int] = Field(description="Scanners that looked into the texts, with their versions.")
        tokens: TokenBudget | None = Field(description="What tokens were counted by; none: the base model has none.")
        examples: tuple[Annotated[str, Names(BLOB, "examples")], ...] = Field(
            description="Blobs of EXAMPLES frames, one after the other in the order in which the rows came."
        )
        ledger: tuple[LedgerPart, ...] = Field(description="Blobs of LEDGER frames, cut by the hash of the row id.")
        quarantine: tuple[QuarantinePart, ...] = Field(
            description="Blobs of QUARANTINE frames, cut by the hash of the row id."
        )
        contamination: Annotated[str, Names(BLOB, "contamination")] | None = Field(
            description="Blob of a CONTAMINATION frame: what the examples repeat of the eval sets; none: no eval set."
        )
        counts: tuple[RuleCount, ...]
        expectations: tuple[Expectation, ...]
        refusal: str | None = Field(description="Why the whole batch is refused; none: it is sound.")

    kind: ClassVar[str] = "curated"
    content: Content
    provenance: CuratedProvenance = CuratedProvenance()


class Curation(CachedResult):
    """Which curated rows came of records: a night that is run again curates nothing anew."""

    class Key(Plain):
        """All that the outcomes of rows follow from."""

        records: RecordsId
        eval_sets: tuple[EvalSetId, ...]
        parent: PreparationId | None
        releases: Annotated[str, Names(BLOB, "releases")] | None
        erased: str = Field(description="Digest of the ids of erased rows.")
        tokens: TokenBudget | None
        answer: dict[str, Any] = Field(description="Fields of the answer, as the recipe has them.")
        rules: dict[str, Any] = Field(description="The recipe's `prepare`.")
        checks: Checks = Field(description="Names the versions of operations and scanners.")
        suites: dict[str, str] = Field(description="Digests of Great Expectations suites.")
        earlier: str = Field(description="Digest of what limits compare with, of the nights before.")
        cut_to: datetime = Field(description="End of the cut: how old the newest row may be.")
        code: str
        packages: dict[str, str]

    class Result(Plain):
        """What came out."""

        curated: CuratedId

    kind: ClassVar[str] = "curation"
    key: Key
    result: Result


class PreparationContent(Plain):
    """What preparing one night came to."""

    recipe: str
    night: str
    cut_from: datetime
    cut_to: datetime
    records: RecordsId
    eval_sets: tuple[EvalSetId, ...] = Field(
        description="Eval sets that no example repeats, as the recipe orders them."
    )
    snapshot: SnapshotId
    curated: CuratedId
    ledger: tuple[LedgerPart, ...] = Field(description="Blobs of LEDGER frames, cut by the hash of the row id.")
    quarantine: tuple[QuarantinePart, ...] = Field(
        description="Blobs of QUARANTINE frames, cut by the hash of the row id."
    )
    rows_in: int
    counts: tuple[RuleCount, ...] = Field(description="They add up to rows_in.")
    expectations: tuple[Expectation, ...]
    labels: dict[str, dict[str, int]] = Field(
        default_factory=dict, description="Examples by the value of each closed field of the answer."
    )
    text_lengths: dict[str, int] = Field(
        default_factory=dict,
        description="Examples by the length of their texts, under the greatest power of two that is not longer.",
    )
    planted: tuple[PlantedResult, ...] = ()
    unplanted_rows: int | None = Field(
        default=None, description="Rows that were not planted; none: no row is known to be."
    )
    unplanted_rows_changed: int | None = Field(
        default=None, description="Of those, how many were merged, repaired or quarantined."
    )


class Preparation(Artifact[PreparationId]):
    """The night's account of its rows."""

    kind: ClassVar[str] = "preparation"
    content: PreparationContent
    provenance: Empty = Empty()
