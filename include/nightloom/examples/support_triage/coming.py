"""Coming days: new tickets for an existing ticket system, as a real one would get."""

from datetime import date, timedelta

import sqlalchemy as sa

from nightloom.examples.support_triage.feed import FeedCounts, feed, planted_faults

SEED = 20
# Existing days stay unchanged: after a pause, this many days are caught up.
_DAYS_BACK = 45
_DAYS_AHEAD = 7


def feed_coming_days(url: str, today: date) -> FeedCounts | None:
    """Write the tickets up to a week from today, or return None if the database is not the example's.

    Raises:
        InputError: The database holds the tickets of another seed.
        SourceError: The database does not answer, or refuses a write.
    """
    if not _is_example(url):
        return None
    first_day, last_day = today - timedelta(days=_DAYS_BACK), today + timedelta(days=_DAYS_AHEAD)
    return feed(url, seed=SEED, first_day=first_day, last_day=last_day)


def _is_example(url: str) -> bool:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    return sa.inspect(engine).has_table(planted_faults.name)
