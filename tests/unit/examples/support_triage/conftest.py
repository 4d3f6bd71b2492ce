"""Finds what is alike among tickets, as the night's curation does."""

from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
import pytest
from nightloom.curation.near_duplicates import NearDuplicates, find_near_duplicates
from nightloom.curation.passes import write_signatures
from nightloom.curation.rules import KEY
from nightloom.curation.scratch import Scratch

Relate = Callable[..., NearDuplicates]


@pytest.fixture
def relate(tmp_path: Path) -> Relate:
    """Relates comparable texts, and the items of an eval set."""

    def call(texts: Sequence[str], items: Sequence[str] = ()) -> NearDuplicates:
        scratch = Scratch(tmp_path)
        for part, compared in enumerate((texts, items)):
            schema = {"compared": pl.String, "outcome": pl.String}
            rows = pl.DataFrame({"compared": list(compared), "outcome": None}, schema).with_columns(key=KEY)
            scratch.write_rows(part, rows)
            write_signatures(scratch, part, rows, 0.8)
        return find_near_duplicates(scratch, [0, len(texts)], 0.8)

    return call
