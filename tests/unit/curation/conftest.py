"""Records, answers and settings of a small night."""

from collections.abc import Callable

import polars as pl
import pytest
from nightloom.artifacts.frames import RECORDS
from nightloom.core.recipes import AnswerField, FilesSource, Prepare

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
    """Makes records of rows: id, version, text, answer."""

    def make(*rows: Row) -> pl.DataFrame:
        return pl.DataFrame([(*row, None, None, False) for row in rows], RECORDS, orient="row").sort(
            "row_id", "version", "text"
        )

    return make
