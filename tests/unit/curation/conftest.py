"""Records, answers and settings of a small night."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import polars as pl
import pytest
from nightloom.artifacts.data import Records, RecordsContent, RuleCount
from nightloom.artifacts.frames import CONTAMINATION, EXAMPLES, LEDGER, QUARANTINE, RECORDS, RELEASES, get_frame
from nightloom.artifacts.parts import cut_into_parts, put_parts, read_parts
from nightloom.core.s3 import Bucket
from nightloom.core.store import ObjectStore
from nightloom.curation.curate import ITEMS, NO_FAILURES, curate_records
from nightloom.curation.inputs import CurationInputs
from nightloom.recipes.preparation import Prepare
from nightloom.recipes.schema import AnswerField
from nightloom.recipes.sources import FilesSource

from tests.conftest import MemoryS3

SALES, BILLING = '{"reply":"ok","team":"sales"}', '{"reply":"ok","team":"billing"}'

Row = tuple[str, str, str | None, str | None]
MakeRecords = Callable[..., pl.DataFrame]


@pytest.fixture
def answer() -> dict[str, AnswerField]:
    """A team out of three, and a free reply."""
    team = AnswerField(column="team", one_of=("sales", "billing", "support"))
    return {"team": team, "reply": AnswerField(column="reply")}


@pytest.fixture
def settings() -> Prepare:
    """The defaults."""
    return Prepare(source=FilesSource(kind="files", path="rows.csv"))


@pytest.fixture
def records() -> MakeRecords:
    """Make records from rows of id, version, text and answer."""

    def make(*rows: Row) -> pl.DataFrame:
        return pl.DataFrame([(*row, None, None, False, None) for row in rows], RECORDS, orient="row").sort(
            "row_id", "version", "text"
        )

    return make


@dataclass(frozen=True)
class Curated:
    """The result of curation as frames, and the ledger's blobs for the next night."""

    examples: pl.DataFrame
    ledger: pl.DataFrame
    quarantine: pl.DataFrame
    contamination: pl.DataFrame | None
    store: ObjectStore
    blobs: tuple[str, ...]
    counts: tuple[RuleCount, ...]


def curate(
    records: pl.DataFrame,
    answer: Mapping[str, AnswerField],
    settings: Prepare,
    eval_texts: Sequence[str] = (),
    *,
    failures: pl.DataFrame = NO_FAILURES,
    releases: pl.DataFrame | None = None,
    erased: Collection[str] = (),
    before: Curated | None = None,
) -> Curated:
    """Curate a frame of records in a store in memory."""
    store = before.store if before else ObjectStore(Bucket(MemoryS3(), "bucket"))
    parts = put_parts(store, cut_into_parts([records], RECORDS), RECORDS)
    items = pl.DataFrame([("gold", str(n), text, None) for n, text in enumerate(eval_texts)], ITEMS, orient="row")
    curation = curate_records(
        store,
        Records(content=RecordsContent(rows=len(records), new_rows=0, parts=parts)),
        answer,
        settings,
        CurationInputs(
            before=before.blobs if before else (),
            releases=pl.DataFrame(schema=RELEASES) if releases is None else releases,
            erased=erased,
        ),
        items=items,
        failures=failures,
    )
    return Curated(
        examples=read_parts(store, curation.examples, EXAMPLES),
        ledger=read_parts(store, curation.ledger, LEDGER),
        quarantine=read_parts(store, curation.quarantine, QUARANTINE),
        contamination=get_frame(store, curation.contamination, CONTAMINATION) if curation.contamination else None,
        store=store,
        blobs=curation.ledger,
        counts=curation.counts,
    )
