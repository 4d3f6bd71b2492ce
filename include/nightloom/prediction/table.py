"""Table: write a night's predictions to a table of the team's database."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from nightloom.artifacts.ids import PredictionsId
from nightloom.artifacts.predictions import PredictionPlan, PredictionPlanContent, Predictions, PredictionsContent
from nightloom.core.connections import show_address
from nightloom.core.errors import InputError, SourceError
from nightloom.core.store import ObjectStore
from nightloom.prediction.lines import ResultLine, load_lines

_BUSY_TIMEOUT_S = 60


def write_predictions_table(store: ObjectStore, predictions_id: PredictionsId, url: str, table: str) -> int:
    """Write a night's predictions to a table in one transaction, replacing those of the same night.

    The table is created if it does not exist. It has a line for every row, also for rows without an answer, with the
    key recipe, night and row id, and a column for each field of the answer.

    Args:
        store: Holds the predictions.
        predictions_id: The predictions.
        url: SQLAlchemy URL of the database.
        table: Name of the table.

    Returns:
        The number of rows of that night in the table.

    Raises:
        InputError: The table exists but lacks a column, or a field of the answer has the name of another column.
        SourceError: The database refused or did not answer.
    """
    predictions = store.load(Predictions, predictions_id).content
    plan = store.load(PredictionPlan, predictions.plan).content
    columns = table_columns(plan.task.field_order, table)
    target = sa.Table(table, sa.MetaData(), *columns)
    of_night = (target.c.recipe == plan.recipe) & (target.c.night == date.fromisoformat(plan.night))
    engine = _connect(url, table)
    try:
        with engine.begin() as connection:
            target.create(connection, checkfirst=True)
            _refuse_missing_columns(connection, target)
            connection.execute(sa.delete(target).where(of_night))
            for values in _read_values(store, predictions, plan):
                connection.execute(sa.insert(target), values)
            return connection.scalar(sa.select(sa.func.count()).select_from(target).where(of_night)) or 0
    except SQLAlchemyError as error:
        where = show_address(engine.url)
        # Only the class: a driver's message may quote the row.
        msg = f"predictions of night {plan.night} could not be written to table {table} at {where}: " + (
            f"{type(getattr(error, 'orig', None) or error).__name__}; nothing of this night was changed there"
        )
        raise SourceError(msg) from None
    finally:
        engine.dispose()


def table_columns(fields: tuple[str, ...], table: str) -> list[sa.Column[Any]]:
    """Return the columns of a predictions table, with one for each field of the answer.

    Raises:
        InputError: A field has the name of another column.
    """
    fixed: dict[str, sa.Column[Any]] = {
        "recipe": sa.Column("recipe", sa.String(40), primary_key=True),
        "night": sa.Column("night", sa.Date, primary_key=True),
        "row_id": sa.Column("row_id", sa.String(200), primary_key=True),
        "status": sa.Column("status", sa.String(20), nullable=False),
        "blocked": sa.Column("blocked", sa.Boolean, nullable=False),
        "flags": sa.Column("flags", sa.Text, nullable=False),
        "finish_reason": sa.Column("finish_reason", sa.String(20)),
        "model": sa.Column("model", sa.String(64), nullable=False),
        "prompt": sa.Column("prompt", sa.String(64), nullable=False),
    }
    taken = sorted(set(fields) & set(fixed))
    if taken:
        msg = f"table {table} already has a column {taken[0]!r}; rename the answer's field in the recipe"
        raise InputError(msg)
    answers = [sa.Column(field, sa.Text) for field in fields]
    names = list(fixed.values())
    return [*names[:4], *answers, *names[4:]]


def _connect(url: str, table: str) -> sa.Engine:
    try:
        address = sa.make_url(url)
        # SQLite fails at once if another connection writes, unless it may wait.
        options = {"timeout": _BUSY_TIMEOUT_S} if address.get_backend_name() == "sqlite" else {}
        return sa.create_engine(address, hide_parameters=True, poolclass=sa.NullPool, connect_args=options)
    except (ArgumentError, ModuleNotFoundError, ValueError):
        # Without its cause: the library's own message may repeat the URL with its password.
        msg = f"the connection of table {table!r} is not a SQLAlchemy URL with an installed driver; correct it"
        raise InputError(msg) from None


def _refuse_missing_columns(connection: sa.Connection, target: sa.Table) -> None:
    present = {column["name"] for column in sa.inspect(connection).get_columns(target.name)}
    missing = [column.name for column in target.columns if column.name not in present]
    if missing:
        msg = (
            f"table {target.name} has no column {', '.join(missing)}; add the columns, "
            f"or name another table in the recipe's `predict`"
        )
        raise InputError(msg)


def _read_values(
    store: ObjectStore, predictions: PredictionsContent, plan: PredictionPlanContent
) -> Iterator[list[dict[str, Any]]]:
    """Return the values of the rows, shard by shard."""
    for file in predictions.files:
        yield [_values(line, plan) for line in load_lines(store.get_blob(file))]


def _values(line: ResultLine, plan: PredictionPlanContent) -> dict[str, Any]:
    outcome = line.nightloom
    answer = outcome.answer or {}
    finish_reason = line.response.body.choices[0].finish_reason if line.response else None
    return {
        "recipe": plan.recipe,
        "night": date.fromisoformat(plan.night),
        "row_id": line.custom_id,
        "status": outcome.status,
        "blocked": outcome.blocked,
        "flags": ",".join(outcome.flags),
        "finish_reason": finish_reason,
        "model": plan.model.adapter or plan.model.base,
        "prompt": plan.task.prompt,
        # PostgreSQL has no text with a NUL in it.
        **{name: answer[name].replace("\0", "\ufffd") if name in answer else None for name in plan.task.field_order},
    }
