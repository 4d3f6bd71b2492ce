"""The example's ticket system gets new tickets; other databases are left alone."""

from datetime import date
from pathlib import Path

import sqlalchemy as sa
from nightloom.examples.support_triage.coming import SEED, feed_coming_days
from nightloom.examples.support_triage.feed import feed


def test_foreign_database_is_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'tickets.db'}"
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE tickets (id TEXT)"))
    assert feed_coming_days(url, date(2026, 11, 23)) is None
    assert sa.inspect(engine).get_table_names() == ["tickets"]


def test_coming_days_extend_existing_ones(tmp_path: Path) -> None:
    first, later = (f"sqlite:///{tmp_path / name}.db" for name in ("first", "later"))
    begun, today = date(2026, 10, 13), date(2026, 10, 16)
    feed(first, seed=SEED, first_day=begun, last_day=date(2026, 10, 23))
    feed(later, seed=SEED, first_day=begun, last_day=date(2026, 10, 15))
    feed_coming_days(later, today)
    assert read(later) == read(first)
    counts = feed_coming_days(later, today)
    assert counts is not None
    assert counts.saves == 0


def read(url: str) -> list[sa.Row[tuple[object, ...]]]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        query = "SELECT * FROM ticket_history WHERE created_at >= '2026-10-13' ORDER BY ticket_id, updated_at"
        return list(connection.execute(sa.text(query)))
