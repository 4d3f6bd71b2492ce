"""The example's ticket system: a SQL database that keeps every save of a ticket.

Each save is a separate row, so that the tickets can be read as of any past moment.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta

import sqlalchemy as sa

from nightloom.core.errors import InputError, SourceError
from nightloom.examples.support_triage.grammar import make_random, write_problem
from nightloom.examples.support_triage.tickets import LATEST_SAVE_DAYS, Fault, Save, born_on

TICKETS_PER_DAY = 100
GOLD_SEEN = 500
GOLD_UNSEEN = 140

metadata = sa.MetaData()

ticket_history = sa.Table(
    "ticket_history",
    metadata,
    sa.Column("ticket_id", sa.String(40), primary_key=True),
    sa.Column("updated_at", sa.DateTime, primary_key=True),
    sa.Column("created_at", sa.DateTime, nullable=False),
    sa.Column("status", sa.String(10), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("team", sa.String(20)),
    sa.Column("urgency", sa.String(10)),
    sa.Column("reply", sa.Text),
    sa.Index("ix_ticket_history_updated_at", "updated_at"),
)
gold_tickets = sa.Table(
    "gold_tickets",
    metadata,
    sa.Column("ticket_id", sa.String(40), primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("team", sa.String(20), nullable=False),
    sa.Column("urgency", sa.String(10), nullable=False),
    sa.Column("reply", sa.Text, nullable=False),
    sa.Column("slice", sa.String(10), nullable=False),
)
planted_faults = sa.Table(
    "planted_faults",
    metadata,
    sa.Column("ticket_id", sa.String(40), primary_key=True),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("outcome", sa.String(20), nullable=False),
    sa.Column("rule", sa.String(40), nullable=False),
)


@dataclass(frozen=True, slots=True)
class FeedCounts:
    """Numbers of new rows."""

    saves: int
    faults: int
    gold: int


def feed(url: str, *, seed: int, first_day: date, last_day: date, tickets_per_day: int = TICKETS_PER_DAY) -> FeedCounts:
    """Write all tickets from the first day to the last, one transaction per day. Safe to run again.

    The tickets of a day depend only on seed and day, whether days are fed at once, one by one, or twice.

    Args:
        url: SQLAlchemy URL of the database; missing tables are created.
        seed: Seed of the history.
        first_day: No ticket is created before it.
        last_day: No save after it is written.
        tickets_per_day: Mean over a week, without the planted twins.

    Raises:
        InputError: The database holds the tickets of another seed.
        SourceError: The database does not answer, or refuses a write.
    """
    saves = faults = 0
    with _open_database(url) as engine:
        metadata.create_all(engine)
        with engine.begin() as connection:
            gold = _write_gold(connection, seed)
        for offset in range((last_day - first_day).days + 1):
            day = first_day + timedelta(days=offset)
            with engine.begin() as connection:
                day_saves, day_faults = _write_day(connection, seed, first_day, day, tickets_per_day)
            saves, faults = saves + day_saves, faults + day_faults
    return FeedCounts(saves, faults, gold)


@contextmanager
def _open_database(url: str) -> Iterator[sa.Engine]:
    try:
        # Parameters are hidden: an error must not show a ticket's text.
        yield sa.create_engine(url, poolclass=sa.NullPool, hide_parameters=True)
    except sa.exc.SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        msg = (
            f"the ticket system cannot be written ({type(cause).__name__}: {cause}); check that its database is running"
        )
        raise SourceError(msg) from error


def _write_gold(connection: sa.Connection, seed: int) -> int:
    rows = _gold_rows(seed)
    found = {row.ticket_id: row.text for row in connection.execute(sa.select(gold_tickets))}
    if any(found.get(row["ticket_id"], row["text"]) != row["text"] for row in rows):
        msg = (
            f"the ticket system holds the tickets of a seed other than {seed}; "
            "use the seed that it was created with, or an empty database"
        )
        raise InputError(msg)
    return _insert_missing(connection, gold_tickets, [gold_tickets.c.ticket_id], rows)


def _write_day(
    connection: sa.Connection, seed: int, first_day: date, day: date, tickets_per_day: int
) -> tuple[int, int]:
    saves: list[Save] = []
    faults: list[Fault] = []
    for age in range(LATEST_SAVE_DAYS + 1):
        birthday = day - timedelta(days=age)
        if birthday >= first_day:
            born_saves, born_faults = born_on(seed, birthday, tickets_per_day)
            saves += [save for save in born_saves if save.updated_at.date() == day]
            faults += born_faults if age == 0 else []
    key = [ticket_history.c.ticket_id, ticket_history.c.updated_at]
    written = _insert_missing(connection, ticket_history, key, [_save_row(save) for save in saves])
    planted: list[dict[str, object]] = [
        {"ticket_id": fault.ticket_id, "kind": fault.kind, "outcome": fault.outcome, "rule": fault.rule}
        for fault in faults
    ]
    return written, _insert_missing(connection, planted_faults, [planted_faults.c.ticket_id], planted)


def _insert_missing(
    connection: sa.Connection, table: sa.Table, key: list[sa.Column[object]], rows: list[dict[str, object]]
) -> int:
    if not rows:
        return 0
    first = key[0].name
    ids = [row[first] for row in rows]
    found = set(map(tuple, connection.execute(sa.select(*key).where(key[0].in_(ids)))))
    missing = [row for row in rows if tuple(row[column.name] for column in key) not in found]
    if missing:
        connection.execute(table.insert(), missing)
    return len(missing)


def _save_row(save: Save) -> dict[str, object]:
    return {
        "ticket_id": save.ticket_id,
        "updated_at": save.updated_at,
        "created_at": save.created_at,
        "status": save.status,
        "text": save.text,
        "team": save.answer and save.answer.team,
        "urgency": save.answer and save.answer.urgency,
        "reply": save.answer and save.answer.reply,
    }


def _gold_rows(seed: int) -> list[dict[str, object]]:
    random = make_random("gold", seed)
    rows: list[dict[str, object]] = []
    for number in range(GOLD_SEEN + GOLD_UNSEEN):
        unseen = number >= GOLD_SEEN
        problem = write_problem(random, unseen=unseen)
        rows.append(
            {
                "ticket_id": f"G-{number:04d}",
                "text": problem.text,
                "team": problem.answer.team,
                "urgency": problem.answer.urgency,
                "reply": problem.answer.reply,
                "slice": "unseen" if unseen else "seen",
            }
        )
    return rows
