"""Clusters: ids stay over nights, and no row moves between splits."""

from collections.abc import Mapping

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nightloom.artifacts.frames import RECORDS
from nightloom.curation.clusters import choose_splits
from nightloom.recipes.preparation import Prepare, Split
from nightloom.recipes.schema import AnswerField
from nightloom.recipes.sources import FilesSource

from .conftest import SALES, Curated, MakeRecords, curate

Answer = Mapping[str, AnswerField]

OLD = "my card has not arrived although i ordered it more than two weeks ago"
NEW = "my card has not arrived although i ordered it more than 2 weeks ago"
# Alike to OLD in its beginning and to OTHER in its end, by more than 0.6 each; OLD and OTHER are not.
OTHER = "i ordered it more than two weeks ago and nobody has answered my letters"
BRIDGE = "my card has not arrived although i ordered it more than two weeks ago and nobody has answered my letters"


@pytest.fixture
def keeping(settings: Prepare) -> Prepare:
    """Near-duplicates are kept, from a similarity of 0.5; four rows in ten are held out."""
    changes = {"near_duplicates": "keep", "near_duplicate_similarity": 0.5, "split": Split(selection=0.2, test=0.2)}
    return settings.model_copy(update=changes)


def find_places(curated: Curated) -> dict[str, tuple[str, str]]:
    return {
        row: (cluster, split) for row, cluster, split in curated.ledger.select("row_id", "cluster_id", "split").rows()
    }


def test_cluster_id_survives_its_oldest_row(records: MakeRecords, answer: Answer, keeping: Prepare) -> None:
    before = curate(records(("T1", "1", OLD, SALES), ("T2", "2", NEW, SALES)), answer, keeping)
    after = curate(records(("T2", "2", NEW, SALES), ("T3", "3", NEW + " again", SALES)), answer, keeping, before=before)
    name = find_places(before)["T1"]
    assert find_places(after) == {"T2": name, "T3": name}


def test_merged_row_keeps_cluster_without_survivor(records: MakeRecords, answer: Answer, settings: Prepare) -> None:
    before = curate(records(("T1", "1", OLD, SALES), ("T2", "2", NEW, SALES)), answer, settings)
    after = curate(records(("T2", "2", NEW, SALES)), answer, settings, before=before)
    assert find_places(after)["T2"] == find_places(before)["T1"]


def test_split_survives_changed_shares(records: MakeRecords, answer: Answer, settings: Prepare) -> None:
    rows = records(*((f"T{n}", "1", f"{word} is broken since the update", SALES) for n, word in enumerate(_WORDS)))
    before = curate(rows, answer, settings.model_copy(update={"split": Split(selection=0, test=0)}))
    after = curate(rows, answer, settings.model_copy(update={"split": Split(selection=0.4, test=0.4)}), before=before)
    assert find_places(after) == find_places(before)


def test_edited_row_keeps_its_split(records: MakeRecords, answer: Answer, settings: Prepare) -> None:
    before = curate(records(("T1", "1", OLD, SALES)), answer, settings)
    after = curate(
        records(("T1", "2", "something else entirely, about an invoice", SALES)), answer, settings, before=before
    )
    assert find_places(after) == find_places(before)


def test_row_between_splits_is_quarantined(records: MakeRecords, answer: Answer, keeping: Prepare) -> None:
    in_training, in_test = Split(selection=0, test=0), Split(selection=0, test=0.899)
    one = curate(records(("T1", "1", OLD, SALES)), answer, keeping.model_copy(update={"split": in_training}))
    two = curate(
        records(("T1", "1", OLD, SALES), ("T2", "2", OTHER, SALES)),
        answer,
        keeping.model_copy(update={"split": in_test}),
        before=one,
    )
    assert two.ledger["split"].to_list() == ["train", "test"]
    rows = records(("T1", "1", OLD, SALES), ("T2", "2", OTHER, SALES), ("T3", "0", BRIDGE, SALES))
    three = curate(rows, answer, keeping, before=two)
    assert three.ledger.select("row_id", "outcome", "split").rows() == [
        ("T1", "kept", "train"),
        ("T2", "kept", "test"),
        ("T3", "quarantined", None),
    ]
    assert three.quarantine.select("rule", "measured").rows() == [("bridges_splits", "test,train")]


def test_row_between_clusters_joins_them(records: MakeRecords, answer: Answer, keeping: Prepare) -> None:
    all_in_training = keeping.model_copy(update={"split": Split(selection=0, test=0)})
    before = curate(records(("T1", "1", OLD, SALES), ("T2", "2", OTHER, SALES)), answer, all_in_training)
    assert before.ledger["cluster_id"].n_unique() == 2
    rows = records(("T1", "1", OLD, SALES), ("T2", "2", OTHER, SALES), ("T3", "3", BRIDGE, SALES))
    after = curate(rows, answer, all_in_training, before=before)
    assert set(after.ledger["cluster_id"]) == {before.ledger["cluster_id"][0]}


def test_split_shares_count_clusters() -> None:
    ids = [f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}" for number in range(4000)]
    rows = pl.DataFrame({"cluster_id": ids, "split": None}, {"cluster_id": pl.String, "split": pl.String})
    shares = choose_splits(rows, Split(selection=0.1, test=0.25), rows.clear())["split"].value_counts(normalize=True)
    assert dict(shares.rows())["test"] == pytest.approx(0.25, abs=0.01)
    assert dict(shares.rows())["selection"] == pytest.approx(0.1, abs=0.01)


_WORDS = ("printer", "telephone", "dishwasher", "bicycle", "window", "heating", "camera", "speaker", "router", "lamp")
_nights = st.lists(
    st.lists(st.tuples(st.sampled_from("ABCDEFGH"), st.sampled_from([OLD, NEW, OTHER, BRIDGE])), max_size=6),
    min_size=2,
    max_size=4,
)


@pytest.mark.timeout(300)
@settings(max_examples=12)
@given(_nights)
def test_no_row_moves_between_splits(nights: list[list[tuple[str, str]]]) -> None:
    answer = {"team": AnswerField(column="team", one_of=("sales",))}
    source = FilesSource(kind="files", path="rows.csv")
    splits = (Split(selection=0.3, test=0.3), Split(selection=0, test=0), Split(selection=0, test=0.899))
    before, positions = None, {}
    for number, night in enumerate(nights):
        rows = [
            (row, str(number), text, '{"team":"sales"}', None, None, False, None) for row, text in dict(night).items()
        ]
        settings = Prepare(
            source=source, near_duplicates="keep", near_duplicate_similarity=0.5, split=splits[number % 3]
        )
        frame = pl.DataFrame(rows, RECORDS, orient="row").sort("row_id")
        before = curate(frame, answer, settings, before=before)
        held = dict(before.examples.select("row_id", "split").rows())
        known = dict(before.ledger.drop_nulls("split").select("row_id", "split").rows())
        assert {row: positions[row] for row in held if row in positions} == {
            row: held[row] for row in held if row in positions
        }
        assert before.examples.group_by("cluster_id").agg(pl.col("split").n_unique())["split"].max() in {1, None}
        # A row that was not there a night is forgotten, as one that left the window is.
        positions = known
