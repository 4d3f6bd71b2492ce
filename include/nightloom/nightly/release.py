"""Release: let rows through from the next night on that a night refused or repaired by mistake."""

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
from nightloom.registry.releases import DecidedRow, Release, list_releases, record_releases
from nightloom.sources.formatting import utc_text

NOT_WAIVED = {
    "empty_text": "it has no text to learn from",
    "not_a_chat": "its conversation is malformed; correct it at the source",
    "refused_by_template": "the base model's chat template does not take its roles; use another base model",
    "not_a_text": "it has a list or an object instead of a text; correct it at the source",
    "not_learned": "the data marks its answer as not to be learned; change the mark at the source",
    "missing_answer": "it has no answer to learn from; add one at the source",
    "invalid_answer": "the recipe does not allow its answer; correct the source, or the recipe's one_of",
    "label": "the model must learn the value as the recipe writes it; change task.answer in the recipe",
    "contradicting_labels": "other rows have a different answer to the same text; correct the wrong ones at the source",
    "exact_duplicate": "another row with the same text is kept",
    "near_duplicate": "another row with nearly the same text is kept",
    "newer_version": "a newer version of it exists",
    "same_version": "another row has its key and time; correct the source, or task.columns.key",
    "deleted": "it was deleted at the source",
    "in_eval_set": "it is an item of an eval set, and models must not learn from it",
    "bridges_splits": "test data would leak into training",
    "erased": "it was erased",
}
"""Rule that no release can waive → the reason."""

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
    """Release rows that a night's preparation refused or repaired, from the next night on.

    Args:
        store: Holds the preparation.
        database: Registry in which releases are recorded.
        recipe: Recipe of the rows.
        preparation_id: Preparation that refused or repaired them.
        row_ids: The rows, or none for all rows that the rule refused or changed.
        rule: Rule or repair that was wrong, or None for the one that each row was refused or repaired by.
        who: Person who decides.
        why: Reason, for the record.

    Raises:
        InputError: Neither rows nor a rule are given, a row was not refused or repaired, or a rule cannot be waived.
    """
    if not row_ids and rule is None:
        msg = "nothing to release; name rows, or a rule with --rule"
        raise InputError(msg)
    preparation = store.load(Preparation, preparation_id).content
    if row_ids:
        found = [line for row_id in dict.fromkeys(row_ids) for line in _find_row(store, preparation, row_id, rule)]
    else:
        frames = (get_frame(store, part, LEDGER) for part in preparation.ledger)
        found = [line for frame in frames for line in _list_decided(frame, rule)]
    if not found:
        msg = (
            f"night {preparation.night} refused or repaired no row by {rule!r}; "
            f"list its rules with `nightloom quarantine list`"
        )
        raise InputError(msg)
    for _, _, decided_by in found:
        if decided_by in NOT_WAIVED:
            msg = f"a row decided by {decided_by} cannot be released: {NOT_WAIVED[decided_by]}"
            raise InputError(msg)
    return record_releases(database, recipe, found, preparation_id=preparation_id, who=who, why=why)


def find_released_records(
    store: ObjectStore, database: Database, recipe: str, *, night: NightCut, window_days: int
) -> pl.DataFrame:
    """Return released rows that are older than the source's window, as they were received (RECORDS).

    They count as rows of the night from which they are released, and stay for as many nights as the window has days.
    Rows inside the window are left to the source: if it no longer has one, the row was deleted there.
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
    """Whether a release takes effect this night that no earlier finished night used."""
    outcomes = read_outcomes(database, recipe, night - timedelta(days=1), _NIGHTS_BACK)
    done = [one.night for one in outcomes if one.stage == "prepare" and one.status == "done"]
    last = max(done, default=date.min)
    return any(last < one.from_night <= night for one in list_releases(database, recipe))


def _find_row(store: ObjectStore, preparation: PreparationContent, row_id: str, rule: str | None) -> list[DecidedRow]:
    decided = _list_decided(find_lines(store, preparation.ledger, LEDGER, row_id), rule)
    if not decided:
        known = [one for part in preparation.quarantine for one in get_frame(store, part, QUARANTINE)["row_id"]]
        close = [one for one in get_close_matches(row_id, known, n=3) if one != row_id]
        by = f" by {rule!r}" if rule else ""
        meant = f"did you mean {' or '.join(close)}?" if close else "list them with `nightloom quarantine show`"
        msg = f"row {row_id!r} was not refused or repaired{by} in night {preparation.night}; {meant}"
        raise InputError(msg)
    return decided


def _list_decided(ledger: pl.DataFrame, rule: str | None) -> list[DecidedRow]:
    """Return row id, version and rule of each ledger line that was quarantined or repaired, by one rule if given."""
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
