"""A source kind: the mails of a Unix mailbox, as `{kind: mailbox, options: {path: …}}`."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from email.utils import parsedate_to_datetime
from mailbox import mbox

from nightloom.recipes.sources import OtherSource
from nightloom.sources.base import Cut, Row
from nightloom.sources.columns import describe_source, find_columns

KNOWN = ("id", "sent_at", "body")


def read_mailbox(source: OtherSource, columns: Sequence[str], cut: Cut | None) -> Iterator[list[Row]]:
    """Return these columns of every mail; Nightloom cuts them to the night by `updated_at`."""
    positions = find_columns(columns, KNOWN, describe_source(source))
    with closing(mbox(source.options["path"], create=False)) as mails:
        for mail in mails:
            row = (mail["Message-ID"], parsedate_to_datetime(mail["Date"]), mail.get_payload())
            yield [[row[position] for position in positions]]
