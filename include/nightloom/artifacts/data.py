"""Data manifests: extracted records, eval sets, snapshots, and the result of preparing a night."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from nightloom.artifacts.ids import BaseId, CuratedId, EvalSetId, PreparationId, PromptId, RecordsId, SnapshotId
from nightloom.artifacts.models import Checks, TemplateKwargs
from nightloom.core.manifests import Artifact, CachedResult, Plain
from nightloom.core.names import BLOB, BlobId, Names
from nightloom.core.nights import count_days

RecordsPart = Annotated[str, Names(BLOB, "records")]
LedgerPart = Annotated[str, Names(BLOB, "ledger")]
QuarantinePart = Annotated[str, Names(BLOB, "quarantine")]

Outcome = Literal["kept", "repaired", "merged", "superseded", "quarantined"]


class Empty(Plain):
    """A part without fields."""


OTHER_KEYS = "other keys"
"""Replaces all keys that `RecordsContent.unread` does not name."""


class RecordsContent(Plain):
    """Rows of one source at one cut, as received."""

    rows: int
    new_rows: int = Field(description="Rows with a version within the night's cut; all rows if there are no versions.")
    parts: tuple[RecordsPart, ...] = Field(description="Blobs of RECORDS frames, cut by the hash of the row id.")
    unread: dict[str, int] = Field(
        default_factory=dict, description="Number of conversations by the keys in them that were not read."
    )


class Records(Artifact[RecordsId]):
    """Extracted rows, unchanged."""

    kind: ClassVar[str] = "records"
    content: RecordsContent
    provenance: Empty = Empty()


class EvalSetContent(Plain):
    """Items with their reference answers."""

    name: str
    rows_root: str = Field(description="Merkle root of the items, sorted by id.")
    items: int


class EvalSetProvenance(Plain):
    """Where the items lie."""

    frame: Annotated[str, Names(BLOB, "eval_items")] = Field(description="Blob of an EVAL_ITEMS frame.")


class EvalSetManifest(Artifact[EvalSetId]):
    """An eval set, frozen."""

    kind: ClassVar[str] = "evalset"
    content: EvalSetContent
    provenance: EvalSetProvenance


class SnapshotContent(Plain):
    """All training data: rows with their cluster and split."""

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
    """The files, and the night that wrote them first."""

    files: tuple[SnapshotFile, ...]
    recipe: str
    night: str
    parent: SnapshotId | None = Field(description="Snapshot that was `latest` before, or None for the first.")


class Snapshot(Artifact[SnapshotId]):
    """Frozen training data. Unchanged data keeps its id."""

    kind: ClassVar[str] = "snapshot"
    content: SnapshotContent
    provenance: SnapshotProvenance


class RuleCount(Plain):
    """The number of rows to which one rule gave one outcome."""

    outcome: Outcome
    rule: str | None
    rows: int


class EvalSetRows(Plain):
    """How the rows of one eval set were used."""

    name: str
    counts: tuple[RuleCount, ...] = Field(
        description="Rows by outcome and rule; they add up to all rows. The items are `kept`."
    )
    unused: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Allowed values that no item has, by answer field."
    )

    @property
    def items(self) -> int:
        """Number of items."""
        return sum(count.rows for count in self.counts if count.outcome == "kept")

    @property
    def refused(self) -> dict[str, int]:
        """Rows that cannot be items, by rule. Duplicates, older versions and deleted rows are not among them."""
        return {str(count.rule): count.rows for count in self.counts if count.outcome == "quarantined"}


class PlantedResult(Plain):
    """How many planted rows of one kind had their expected outcome."""

    kind: str
    outcome: str
    rule: str
    planted: int
    as_expected: int
    false_positives: int | None = Field(
        description="Rows that the same rule decided without being planted, or None if no rule must decide."
    )


class Expectation(Plain):
    """The result of one Great Expectations expectation, without row text."""

    suite: str
    name: str
    column: str | None
    success: bool
    unexpected: int = Field(description="Number of rows that failed.")
    measured: float | None = Field(
        default=None,
        description="Observed value of the batch, or None if the expectation is about rows or has no number.",
    )
    limit: str | None = Field(default=None, description="Limit for the observed value, or None.")


class CuratedProvenance(Plain):
    """Statistics of the first curation of these records."""

    docs: BlobId | None = Field(default=None, description="Blob of the Data Docs page (HTML), or None if no suite ran.")
    labels: dict[str, dict[str, int]] = Field(
        default_factory=dict, description="Number of examples by value of each closed answer field."
    )
    text_lengths: dict[str, int] = Field(
        default_factory=dict,
        description="Number of examples by text length, in buckets that are powers of two (lower bound).",
    )


class TokenBudget(Plain):
    """How the tokens of an example are counted, and how many are allowed."""

    base: BaseId = Field(description="Base model whose tokenizer and chat template are used.")
    prompt: PromptId = Field(description="Prompt version that is rendered with the row.")
    output: Literal["json", "text"]
    field_order: tuple[str, ...]
    chat_template_kwargs: TemplateKwargs = Field(default_factory=dict)
    most: int | None = Field(
        description="Tokens allowed for a whole example, or None for the base model's context length."
    )


class Curated(Artifact[CuratedId]):
    """Curated rows, before they are frozen as a snapshot."""

    class Content(Plain):
        """Examples, ledger and quarantine of one set of records."""

        records: RecordsId
        eval_sets: tuple[EvalSetId, ...] = Field(
            description="Eval sets that no example may repeat, in the recipe's order."
        )
        parent: PreparationId | None = Field(
            description="Preparation whose clusters and splits were kept, or None for the first."
        )
        releases: Annotated[str, Names(BLOB, "releases")] | None = Field(
            description="Blob of a RELEASES frame: rows released by people, or None if there are none."
        )
        operations: dict[str, int] = Field(description="Cleaning operations applied to the texts, with versions.")
        scanners: dict[str, int] = Field(description="Scanners applied to the texts, with versions.")
        eval_rows: tuple[EvalSetRows, ...] = Field(
            default=(), description="Use of the rows of each of these eval sets."
        )
        tokens: TokenBudget | None = Field(
            description="How tokens were counted, or None if the base model has no tokenizer."
        )
        examples: tuple[Annotated[str, Names(BLOB, "examples")], ...] = Field(
            description="Blobs of EXAMPLES frames, in the order of the rows."
        )
        ledger: tuple[LedgerPart, ...] = Field(description="Blobs of LEDGER frames, cut by the hash of the row id.")
        quarantine: tuple[QuarantinePart, ...] = Field(
            description="Blobs of QUARANTINE frames, cut by the hash of the row id."
        )
        contamination: Annotated[str, Names(BLOB, "contamination")] | None = Field(
            description="Blob of a CONTAMINATION frame, or None if there is no eval set."
        )
        counts: tuple[RuleCount, ...]
        expectations: tuple[Expectation, ...]
        refusal: str | None = Field(description="Why the whole batch is refused, or None if it is valid.")

    kind: ClassVar[str] = "curated"
    content: Content
    provenance: CuratedProvenance = CuratedProvenance()


class Curation(CachedResult):
    """The curated rows of records, cached so that a repeated night curates nothing again."""

    class Key(Plain):
        """All inputs that determine the outcomes of rows."""

        records: RecordsId
        eval_sets: tuple[EvalSetId, ...]
        eval_rows: tuple[EvalSetRows, ...] = ()
        parent: PreparationId | None
        releases: Annotated[str, Names(BLOB, "releases")] | None
        erased: str = Field(description="Digest of the ids of erased rows.")
        tokens: TokenBudget | None
        answer: dict[str, Any] = Field(description="The recipe's answer fields.")
        rules: dict[str, Any] = Field(description="The recipe's `prepare`.")
        checks: Checks = Field(description="Operations and scanners, with versions.")
        suites: dict[str, str] = Field(description="Digests of Great Expectations suites.")
        earlier: str = Field(description="Digest of the earlier nights' figures that limits compare with.")
        cut_to: datetime = Field(description="End of the cut, from which the age of the newest row is measured.")
        cut_days: int = Field(description="Days in the cut, by which the number of new rows is measured.")
        code: str
        packages: dict[str, str]

    class Result(Plain):
        """The curated rows."""

        curated: CuratedId

    kind: ClassVar[str] = "curation"
    key: Key
    result: Result


class PreparationContent(Plain):
    """The result of preparing one night, also of a refused one."""

    recipe: str
    night: str
    cut_from: datetime
    cut_to: datetime
    records: RecordsId
    eval_sets: tuple[EvalSetId, ...] = Field(description="Eval sets that no example repeats, in the recipe's order.")
    eval_rows: tuple[EvalSetRows, ...] = Field(default=(), description="Use of the rows of each of these eval sets.")
    snapshot: SnapshotId | None = Field(description="The frozen examples, or None if the batch was refused.")
    curated: CuratedId
    ledger: tuple[LedgerPart, ...] = Field(description="Blobs of LEDGER frames, cut by the hash of the row id.")
    quarantine: tuple[QuarantinePart, ...] = Field(
        description="Blobs of QUARANTINE frames, cut by the hash of the row id."
    )
    rows_in: int
    counts: tuple[RuleCount, ...] = Field(description="Row counts by outcome and rule; their sum is rows_in.")
    expectations: tuple[Expectation, ...]
    labels: dict[str, dict[str, int]] = Field(
        default_factory=dict, description="Number of examples by value of each closed answer field."
    )
    text_lengths: dict[str, int] = Field(
        default_factory=dict,
        description="Number of examples by text length, in buckets that are powers of two (lower bound).",
    )
    planted: tuple[PlantedResult, ...] = ()
    other_rows: int | None = Field(
        default=None, description="Rows that were not planted, or None if no planted rows are known."
    )
    other_rows_changed: int | None = Field(
        default=None, description="How many of those were merged, repaired or quarantined, or None."
    )

    @property
    def cut_days(self) -> int:
        """Days in the cut; none if a later night has committed it."""
        return count_days(self.cut_from, self.cut_to)


class Preparation(Artifact[PreparationId]):
    """The accounting of a night's rows."""

    kind: ClassVar[str] = "preparation"
    content: PreparationContent
    provenance: Empty = Empty()
