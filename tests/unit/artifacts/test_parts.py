"""Parts: a frame of any size is partitioned without losing a row, and each row is found."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nightloom.artifacts import parts
from nightloom.artifacts.frames import RELEASES
from nightloom.artifacts.parts import cut_into_parts, find_lines, overlapping_parts, put_parts, read_parts
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore


def make_frame(start: int, rows: int) -> pl.DataFrame:
    lines = [(f"T{number}", "", f"rule {number}") for number in range(start, start + rows)]
    return pl.DataFrame(lines, RELEASES, orient="row")


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Parts of ten rows, and a buffer of a few."""
    monkeypatch.setattr(parts, "PART_ROWS", 10)
    monkeypatch.setattr(parts, "_BUFFER_BYTES", 500)
    monkeypatch.setenv("NIGHTLOOM_VAR_DIR", str(tmp_path))
    get_settings.cache_clear()
    yield tmp_path
    get_settings.cache_clear()


def test_few_rows_make_one_part() -> None:
    (part,) = cut_into_parts([make_frame(0, 3), make_frame(3, 2)], RELEASES)
    assert part["row_id"].to_list() == ["T0", "T1", "T2", "T3", "T4"]


def test_no_rows_make_one_empty_part() -> None:
    assert [len(part) for part in cut_into_parts([], RELEASES)] == [0]


def test_spooled_rows_are_complete(small_parts: Path) -> None:
    cut = list(cut_into_parts([make_frame(start, 30) for start in range(0, 90, 30)], RELEASES))
    assert len(cut) == 16
    assert sorted(pl.concat(cut).rows()) == sorted(make_frame(0, 90).rows())
    assert list((small_parts / "scratch").iterdir()) == []


@given(st.lists(st.integers(1, 12), max_size=8))
def test_parts_do_not_depend_on_frames(sizes: list[int]) -> None:
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    frames = [make_frame(start, size) for start, size in zip(starts, sizes, strict=True)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "PART_ROWS", 10)
        at_once = [part.rows() for part in cut_into_parts([make_frame(0, sum(sizes))], RELEASES)]
        assert [part.rows() for part in cut_into_parts(frames, RELEASES)] == at_once


def test_row_is_found_in_one_part(store: ObjectStore, small_parts: Path) -> None:
    digests = put_parts(store, cut_into_parts([make_frame(0, 70)], RELEASES), RELEASES)
    found = find_lines(store, digests, RELEASES, "T42")
    assert found.rows() == [("T42", "", "rule 42")]
    assert find_lines(store, digests, RELEASES, "T70").is_empty()
    assert len(read_parts(store, digests, RELEASES)) == 70


@pytest.mark.parametrize(("held", "asked"), [(1, 8), (8, 1), (4, 4), (16, 4), (4, 16)])
def test_parts_of_other_nights_overlap_by_row(small_parts: Path, held: int, asked: int) -> None:
    frame = make_frame(0, 200)
    others = [f"{number}" for number in range(held)]
    cut = dict(zip(others, parts._split(frame, held), strict=True))
    for number, part in enumerate(parts._split(frame, asked)):
        near = pl.concat([cut[other] for other in overlapping_parts(others, number, asked)])
        assert set(part["row_id"]) <= set(near["row_id"])
