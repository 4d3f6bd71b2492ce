"""Release: rows that a night wrongly refused or repaired come back the next night."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from difflib import get_close_matches
from itertools import groupby

import polars as pl

from nightloom.artifacts.data import Preparation, PreparationContent
from nightloom.artifacts.frames import LEDGER, QUARANTINE, RECORDS, get_frame
from nightloom.artifacts.ids import PreparationId
from nightloom.artifacts.parts import find_lines
from nightloom.core.errors import InputError
from nightloom.core.nights import NightCut
from nightloom.core.store import ObjectStore
from nightloom.registry.database import Database
from nightloom.registry.nights import read_outcomes
from nightloom.registry.releases import Release, Settled, list_releases, record_releases
from nightloom.sources.formatting import utc_text

NOT_WAIVED = {
    "empty_text": "there is no text to learn from",
    "not_a_chat": "it holds no conversation to learn from; correct it at the source",
    "missing_answer": "there is no answer to learn; add it at the source",
    "invalid_answer": "its answer is none that the recipe allows; correct the source, or the recipe's one_of",
    "contradicting_labels": "other rows say the contrary; correct the wrong ones at the source",
    "exact_duplicate": "another row stands for it",
    "near_duplicate": "another row stands for it",
    "newer_version": "a newer version of it came",
    "deleted": "it was deleted at the source",
    "in_eval_set": "models are compared on it, and must not learn from it",
    "bridges_splits": "what is tested on would leak into training",
    "erased": "it was erased",
}
"""Rules that no release waives, since the row is not at fault alone or cannot be learned from; and why."""

_NIGHTS_BACK = 60


def release_rows(
    store: ObjectStore,
    database: Database,
    recipe: str,
    preparation_id: PreparationId,
    row_ids: Sequence[str],
    *,
    rule: str | None,
    who: str,
    why: str,
) -> list[Release]:
    """Let rows of a night's preparation through, from the next night on.

    Args:
        store: Holds the preparation.
        database: Where releases are written down.
        recipe: Whose rows they are.
        preparation_id: The night in which they were refused or repaired.
        row_ids: The rows; none: all that the rule refused or changed.
        rule: The rule, or the operation, that was wrong; none: what each row was refused by, or repaired by.
        who: Who decides it.
        why: For the record.

    Raises:
        InputError: Neither rows nor a rule are given, a row was not refused that night, or a rule cannot be waived.
    """
    if not row_ids and rule is None:
        msg = "nothing says what is released; name rows, or a rule with --rule"
        raise InputError(msg)
    preparation = store.load(Preparation, preparation_id).content
    if row_ids:
        found = [line for row_id in dict.fromkeys(row_ids) for line in _find_row(store, preparation, row_id, rule)]
    else:
        frames = (get_frame(store, part, LEDGER) for part in preparation.ledger)
        found = [line for frame in frames for line in _list_settled(frame, rule)]
    if not found:
        msg = (
            f"night {preparation.night} refused or changed no row by {rule!r}; `nightloom quarantine list` names rules"
        )
        raise InputError(msg)
    for _, _, settled_by in found:
        if settled_by in NOT_WAIVED:
            msg = f"a row that {settled_by} settled cannot be released: {NOT_WAIVED[settled_by]}"
            raise InputError(msg)
    return record_releases(database, recipe, found, preparation_id=preparation_id, who=who, why=why)


def find_released_records(
    store: ObjectStore, database: Database, recipe: str, *, night: NightCut, window_days: int
) -> pl.DataFrame:
    """Return the released rows that have left the source's window, as they were received (RECORDS).

    They count as rows of the night from which they were released: they stay for as many nights as the window has days.
    A row that the window would still hold is not given: if the source has it no more, it was deleted there.
    """
    window_from = utc_text(night.window_from(window_days))
    holding = [
        one
        for one in list_releases(database, recipe)
        if one.from_night <= night.night < one.from_night + timedelta(days=window_days)
        and "" < one.version < window_from
    ]
    by_night = groupby(sorted(holding, key=lambda one: one.preparation), key=lambda one: one.preparation)
    frames = [_read_refused(store, preparation, releases) for preparation, releases in by_night]
    records = pl.concat([pl.DataFrame(schema=RECORDS), *frames])
    return records.unique(["row_id", "version"], keep="first", maintain_order=True).sort("row_id", "version")


def has_new_releases(database: Database, recipe: str, night: date) -> bool:
    """Whether a release holds for this night that held for none that was prepared before."""
    outcomes = read_outcomes(database, recipe, night - timedelta(days=1), _NIGHTS_BACK)
    done = [one.night for one in outcomes if one.stage == "prepare" and one.status == "done"]
    last = max(done, default=date.min)
    return any(last < one.from_night <= night for one in list_releases(database, recipe))


def _find_row(store: ObjectStore, preparation: PreparationContent, row_id: str, rule: str | None) -> list[Settled]:
    settled = _list_settled(find_lines(store, preparation.ledger, LEDGER, row_id), rule)
    if not settled:
        known = [one for part in preparation.quarantine for one in get_frame(store, part, QUARANTINE)["row_id"]]
        close = [one for one in get_close_matches(row_id, known, n=3) if one != row_id]
        by = f" by {rule!r}" if rule else ""
        meant = f"did you mean {' or '.join(close)}?" if close else "`nightloom quarantine show` shows who was"
        msg = f"row {row_id!r} was not refused or repaired{by} in night {preparation.night}; {meant}"
        raise InputError(msg)
    return settled


def _list_settled(ledger: pl.DataFrame, rule: str | None) -> list[Settled]:
    """Return the lines of a ledger that a rule refused, or an operation changed."""
    refused = pl.col("outcome") == "quarantined"
    repairs = pl.col("repairs").fill_null("").str.split(",")
    if rule is None:
        chosen = ledger.filter(refused | (pl.col("outcome") == "repaired"))
    else:
        chosen = ledger.filter((refused & (pl.col("rule") == rule)) | repairs.list.contains(rule))
        chosen = chosen.with_columns(rule=pl.lit(rule))
    return [(row_id, version, one) for row_id, version, one in chosen.select("row_id", "version", "rule").iter_rows()]


def _read_refused(store: ObjectStore, preparation_id: PreparationId, releases: Iterable[Release]) -> pl.DataFrame:
    parts = store.load(Preparation, preparation_id).content.quarantine
    frames = list(_find_refused(store, parts, releases))
    return pl.concat([pl.DataFrame(schema=RECORDS), *frames])


def _find_refused(store: ObjectStore, parts: Sequence[str], releases: Iterable[Release]) -> Iterator[pl.DataFrame]:
    for one in releases:
        lines = find_lines(store, parts, QUARANTINE, one.row_id)
        yield lines.filter(version=one.version, rule=one.rule).select(list(RECORDS))
