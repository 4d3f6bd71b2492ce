"""Delta Lake: a table is read as of the cut, reproducibly."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from nightloom.artifacts.reading import read_records
from nightloom.core.errors import InputError, SourceError
from nightloom.core.nights import NightCut, utc_now
from nightloom.core.store import ObjectStore
from nightloom.recipes.schema import AnswerField, Columns
from nightloom.recipes.sources import DeltaSource
from nightloom.sources.delta import _find_version, _storage_options
from nightloom.sources.extract import extract_records
from nightloom.sources.tables import read_table

deltalake = pytest.importorskip("deltalake", reason="deltalake is not installed")

ROWS = {"id": [1, 2], "body": ["a", None], "tags": [["x", "y"], None]}


def night_until(moment: datetime) -> NightCut:
    return NightCut("triage", date(2026, 11, 23), moment - timedelta(days=1), moment)


def write(folder: Path | str, rows: dict[str, list[Any]], **options: Any) -> datetime:
    """Write a version, and return a time after it, before the next one."""
    deltalake.write_deltalake(folder, pl.DataFrame(rows).to_arrow(), **options)
    after = utc_now() + timedelta(milliseconds=2)
    while utc_now() <= after:  # Delta counts milliseconds
        pass
    return after


def read(
    folder: Path, night: NightCut | None, columns: tuple[str, ...] = ("id", "body")
) -> list[tuple[str | None, ...]]:
    return read_table(DeltaSource(kind="delta", path=str(folder)), columns, night, 30).rows()


def test_every_value_is_text(tmp_path: Path) -> None:
    write(tmp_path, ROWS)
    assert read(tmp_path, None, ("id", "body", "tags")) == [("1", "a", '["x","y"]'), ("2", None, None)]


def test_version_at_the_cut_is_read(tmp_path: Path) -> None:
    first = write(tmp_path, {"id": ["1"], "body": ["a"]})
    second = write(tmp_path, {"id": ["1"], "body": ["b"]}, mode="overwrite")
    assert read(tmp_path, night_until(first)) == [("1", "a")]
    assert read(tmp_path, night_until(second)) == read(tmp_path, None) == [("1", "b")]


def test_night_before_first_version_is_refused(tmp_path: Path) -> None:
    write(tmp_path, ROWS)
    with pytest.raises(InputError, match=r"has no version before the end of the night's cut, 2026-01-01 00:00"):
        read(tmp_path, night_until(datetime(2026, 1, 1, tzinfo=UTC)))


@pytest.mark.parametrize(
    ("times", "version"),
    [([1, 2, 3], 1), ([1, 3, 2], 0), ([2, 1, 4], 1)],
    ids=["in order", "a clock that was slow later", "a clock that was fast before"],
)
def test_differing_clocks_show_no_later_rows(times: list[int], version: int) -> None:
    history = [{"version": number, "timestamp": time} for number, time in enumerate(times)]
    cut_to = datetime.fromtimestamp(0.003, UTC)
    assert _find_version(history, cut_to, DeltaSource(kind="delta", path="/t")) == version


def test_rows_are_cut_to_window(store: ObjectStore, tmp_path: Path) -> None:
    rows = {"id": ["1", "2"], "body": ["a", "b"], "at": [datetime(2026, 1, 1), utc_now().replace(tzinfo=None)]}  # noqa: DTZ001
    night = night_until(write(tmp_path, rows))
    columns = Columns(key="id", updated_at="at", text="body")
    source = DeltaSource(kind="delta", path=str(tmp_path))
    records = extract_records(store, source, columns, {"team": AnswerField(column="id")}, night=night, window_days=30)
    assert read_records(store, records.id)["row_id"].to_list() == ["2"]


def test_missing_column_is_named(tmp_path: Path) -> None:
    write(tmp_path, ROWS)
    with pytest.raises(InputError, match=r"the Delta table .* has no column 'boddy'. Did you mean 'body'\?"):
        read(tmp_path, None, ("boddy",))


def test_folder_without_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no Delta table at"):
        read(tmp_path / "none", None)


def test_table_with_missing_files_is_explained(tmp_path: Path) -> None:
    write(tmp_path, ROWS)
    for file in tmp_path.glob("*.parquet"):
        file.unlink()
    with pytest.raises(SourceError, match=r"the Delta table .* cannot be read: "):
        read(tmp_path, None)


def test_object_store_is_read_too(s3_store: ObjectStore, point_settings: Any, tmp_path: Path) -> None:
    with point_settings(tmp_path):
        url = f"s3://{s3_store.bucket.name}/lake"
        write(url, {"id": ["1"], "body": ["a"]}, storage_options=_storage_options())
        assert read_table(DeltaSource(kind="delta", path=url), ["body"], None, 1).rows() == [("a",)]
