"""Planted rows: their outcomes in the ledger, and changes of other rows."""

import polars as pl
from nightloom.artifacts.data import PlantedResult
from nightloom.artifacts.frames import LEDGER
from nightloom.curation.planted import measure_planted

PLANTED = {"row_id": pl.String, "kind": pl.String, "outcome": pl.String, "rule": pl.String}


def make_ledger(*lines: tuple[str, str, str | None]) -> pl.DataFrame:
    rows = [{"row_id": row_id, "outcome": outcome, "rule": rule} for row_id, outcome, rule in lines]
    return pl.DataFrame(rows, LEDGER)


def make_planted(*rows: tuple[str, str, str, str | None]) -> pl.DataFrame:
    return pl.DataFrame(rows, PLANTED, orient="row")


def test_each_kind_is_counted_separately() -> None:
    ledger = make_ledger(("T1", "quarantined", "secret"), ("T2", "kept", None), ("T3", "repaired", "pii"))
    planted = make_planted(
        ("T1", "key", "quarantined", "secret"),
        ("T2", "key", "quarantined", "secret"),
        ("T3", "address", "repaired", "pii"),
    )
    assert measure_planted(ledger, planted).results == (
        PlantedResult(kind="address", outcome="repaired", rule="pii", planted=1, as_expected=1, false_positives=0),
        PlantedResult(kind="key", outcome="quarantined", rule="secret", planted=2, as_expected=1, false_positives=0),
    )


def test_key_may_be_padded() -> None:
    ledger = make_ledger(("T1  ", "kept", None), ("Zoe\u0308", "quarantined", "secret"), ("T3", "kept", None))
    planted = make_planted(("T1", "noise", "kept", None), ("Zo\u00eb\u00a0", "key", "quarantined", "secret"))
    report = measure_planted(ledger, planted)
    assert [one.as_expected for one in report.results] == [1, 1]
    assert report.other_rows == 1


def test_right_outcome_needs_right_rule() -> None:
    ledger = make_ledger(("T1", "quarantined", "too_long"))
    assert measure_planted(ledger, make_planted(("T1", "key", "quarantined", "secret"))).results[0].as_expected == 0


def test_planted_rows_outside_window_are_ignored() -> None:
    planted = make_planted(("T1", "key", "quarantined", "secret"), ("T9", "key", "quarantined", "secret"))
    assert measure_planted(make_ledger(("T1", "quarantined", "secret")), planted).results[0].planted == 1


def test_any_version_may_match() -> None:
    ledger = make_ledger(("T1", "superseded", "newer_version"), ("T1", "merged", "exact_duplicate"))
    planted = make_planted(("T1", "copy", "merged", "exact_duplicate"))
    assert measure_planted(ledger, planted).results[0].as_expected == 1


def test_row_to_keep_has_no_rule() -> None:
    assert measure_planted(make_ledger(("T1", "kept", None)), make_planted(("T1", "noise", "kept", None))).results == (
        PlantedResult(kind="noise", outcome="kept", rule="", planted=1, as_expected=1, false_positives=None),
    )


def test_superseded_and_planted_rows_are_ignored() -> None:
    ledger = make_ledger(
        ("T1", "quarantined", "secret"),
        ("T2", "kept", None),
        ("T3", "merged", "near_duplicate"),
        ("T4", "superseded", "newer_version"),
        ("T4", "repaired", "whitespace"),
    )
    report = measure_planted(ledger, make_planted(("T1", "key", "quarantined", "secret")))
    assert (report.other_rows, report.other_rows_changed) == (3, 2)


def test_valid_rows_count_under_their_rule() -> None:
    ledger = make_ledger(
        ("T1", "repaired", "pii"), ("T2", "repaired", "pii"), ("T3", "quarantined", "secret"), ("T4", "kept", None)
    )
    report = measure_planted(ledger, make_planted(("T1", "address", "repaired", "pii")))
    assert [result.false_positives for result in report.results] == [1]
