"""The table: one line per row, the same after every write."""

from typing import Any

import pytest
import sqlalchemy as sa
from nightloom.core.errors import InputError, SourceError
from nightloom.prediction.commit import commit_predictions
from nightloom.prediction.run import predict_shards
from nightloom.prediction.table import write_predictions_table


@pytest.fixture
def url(tmp_path) -> str:
    return f"sqlite:///{tmp_path / 'desk.db'}"


@pytest.fixture
def predict(store, registry, make_plan, open_engine):
    def run(*texts: str | None) -> str:
        plan = make_plan(texts)
        predict_shards(store, registry, plan.id, "0", open_engine)
        return commit_predictions(store, plan.id).id

    return run


def execute(url: str, statement: sa.Executable) -> None:
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        connection.execute(statement)


def read_rows(url: str, columns: str) -> list[tuple[Any, ...]]:
    query = sa.select(*(sa.column(name) for name in columns.split())).select_from(sa.table("answers"))
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        return sorted(tuple(row) for row in connection.execute(query))


def test_every_row_has_its_line(store, predict, url) -> None:
    assert (
        write_predictions_table(store, predict("invoice", "a long one", "mail jo@example.com", None), url, "answers")
        == 4
    )
    assert read_rows(url, "recipe night row_id status team reply blocked flags finish_reason") == [
        ("triage", "2026-11-23", "r000", "succeeded", "billing", "We look into it.", 0, "", "stop"),
        ("triage", "2026-11-23", "r001", "invalid_output", None, None, 0, "", "length"),
        ("triage", "2026-11-23", "r002", "succeeded", "billing", "We look into it.", 0, "pii", "stop"),
        ("triage", "2026-11-23", "r003", "failed", None, None, 0, "", None),
    ]


def test_second_write_changes_nothing(store, predict, url) -> None:
    predictions = predict("invoice", "prose", None, "four", "five")
    write_predictions_table(store, predictions, url, "answers")
    columns = "recipe night row_id status team reply blocked flags model prompt"
    before = read_rows(url, columns)
    assert write_predictions_table(store, predictions, url, "answers") == 5
    assert read_rows(url, columns) == before


@pytest.mark.parametrize(("column", "value"), [("recipe", "other"), ("night", "2026-11-22")])
def test_other_recipes_and_nights_stay(store, predict, url, column: str, value: str) -> None:
    write_predictions_table(store, predict("invoice"), url, "answers")
    execute(url, sa.update(sa.table("answers", sa.column(column))).values({column: value}))
    write_predictions_table(store, predict("prose"), url, "answers")
    assert read_rows(url, "row_id status") == [("r000", "invalid_output"), ("r000", "succeeded")]


def test_table_without_column_is_refused(store, predict, url) -> None:
    execute(url, sa.text("CREATE TABLE answers (recipe TEXT, night DATE, row_id TEXT, status TEXT)"))
    with pytest.raises(
        InputError, match="table answers has no column team, reply, blocked, flags, finish_reason, model, prompt; add"
    ):
        write_predictions_table(store, predict("invoice"), url, "answers")


def test_database_error_hides_password_and_rows(store, predict, tmp_path) -> None:
    with pytest.raises(SourceError, match=r"night 2026-11-23 could not be written to table answers at sqlite:.*Error"):
        write_predictions_table(store, predict("invoice"), f"sqlite:///{tmp_path / 'no' / 'desk.db'}", "answers")
