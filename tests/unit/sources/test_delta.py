"""Delta Lake: a table is read as of the cut, reproducibly."""

import json
import os
from collections.abc import Callable
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
    after = utc_now() + timedelta(milliseconds=12)
    while utc_now() <= after:  # the clock of files, which counts where a commit names no time, ticks up to 10 ms late
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


def edit_log(folder: Path, version: int, change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> None:
    """Write a commit of the log again, with each action changed or left out."""
    file = folder / "_delta_log" / f"{version:020}.json"
    before = file.stat()
    changed = [change(json.loads(line)) for line in file.read_text().splitlines()]
    file.write_text("".join(f"{json.dumps(action)}\n" for action in changed if action))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def require(folder: Path, protocol: dict[str, Any], *, mapped: bool = False) -> None:
    """Let the first commit of a table ask for features of its readers; `mapped` names its columns apart."""

    def change(action: dict[str, Any]) -> dict[str, Any]:
        if "protocol" in action:
            return {
                "protocol": {"minWriterVersion": 7, "writerFeatures": protocol.get("readerFeatures", []), **protocol}
            }
        if "metaData" in action and mapped:
            schema = json.loads(action["metaData"]["schemaString"])
            for number, field in enumerate(schema["fields"], start=1):
                physical = {"delta.columnMapping.id": number, "delta.columnMapping.physicalName": field["name"]}
                field["metadata"], field["name"] = physical, f"the {field['name']}"
            configuration = {"delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": "9"}
            action["metaData"] |= {"schemaString": json.dumps(schema), "configuration": configuration}
        return action

    edit_log(folder, 0, change)


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(lambda action: None if "commitInfo" in action else action, id="no commitInfo"),
        pytest.param(lambda action: {"commitInfo": {}} if "commitInfo" in action else action, id="no time"),
        pytest.param(
            lambda action: {"commitInfo": {"timestamp": None}} if "commitInfo" in action else action, id="null"
        ),
    ],
)
@pytest.mark.parametrize("harmed", [[0], [1], [0, 1, 2]], ids=["first", "middle", "all"])
def test_commit_without_time_keeps_its_version(tmp_path: Path, harm: Any, harmed: list[int]) -> None:
    times = [write(tmp_path, {"id": [str(number)], "body": ["a"]}, mode="overwrite") for number in range(3)]
    for version in harmed:
        edit_log(tmp_path, version, harm)
    assert [read(tmp_path, night_until(time)) for time in times] == [[(str(number), "a")] for number in range(3)]


def test_time_within_the_commit_counts(tmp_path: Path) -> None:
    write(tmp_path, ROWS)
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    info = {"commitInfo": {"inCommitTimestamp": int(noon.timestamp() * 1000)}}
    edit_log(tmp_path, 0, lambda action: info if "commitInfo" in action else action)
    assert len(read(tmp_path, night_until(noon + timedelta(hours=1)))) == 2
    with pytest.raises(InputError, match="has no version before"):
        read(tmp_path, night_until(noon))


@pytest.mark.parametrize(
    "change",
    [
        lambda action: {"commitInfo": {"timestamp": "today"}} if "commitInfo" in action else action,
        lambda action: None if "protocol" in action else action,
        lambda action: (
            {"protocol": {"minReaderVersion": 9, "minWriterVersion": 7, "readerFeatures": []}}
            if "protocol" in action
            else action
        ),
    ],
    ids=["time as text", "no protocol", "features of another version"],
)
def test_invalid_log_is_no_fault_of_the_machine(tmp_path: Path, change: Any) -> None:
    after = write(tmp_path, ROWS)
    edit_log(tmp_path, 0, change)
    with pytest.raises(InputError, match=r"the Delta table .* cannot be read: "):
        read(tmp_path, night_until(after))


def test_damaged_commit_shows_no_trace(tmp_path: Path) -> None:
    write(tmp_path, ROWS)
    (tmp_path / "_delta_log" / f"{0:020}.json").write_text("{oops")
    with pytest.raises(InputError) as caught:
        read(tmp_path, None)
    assert "unknown" not in str(caught.value)


@pytest.mark.parametrize(
    ("protocol", "mapped"),
    [
        ({"minReaderVersion": 3, "readerFeatures": ["vacuumProtocolCheck"]}, False),
        ({"minReaderVersion": 3, "readerFeatures": ["v2Checkpoint", "deletionVectors"]}, False),
        ({"minReaderVersion": 3, "readerFeatures": ["columnMapping"]}, True),
        ({"minReaderVersion": 2}, True),
    ],
    ids=["vacuum check", "checkpoints", "column mapping", "column mapping, reader 2"],
)
def test_table_of_databricks_is_read(tmp_path: Path, protocol: dict[str, Any], mapped: bool) -> None:
    write(tmp_path, ROWS)
    require(tmp_path, protocol, mapped=mapped)
    columns = ("the id", "the body") if mapped else ("id", "body")
    assert sorted(read(tmp_path, None, columns)) == [("1", "a"), ("2", None)]


@pytest.mark.parametrize(
    ("protocol", "reason"),
    [
        ({"minReaderVersion": 3, "readerFeatures": ["typeWidening"]}, "has the feature typeWidening, .*DROP FEATURE"),
        ({"minReaderVersion": 3, "readerFeatures": ["v2Checkpoint", "typeWidening-preview"]}, "typeWidening-preview"),
        ({"minReaderVersion": 3, "readerFeatures": ["icebergCompatV9"]}, "'icebergCompatV9' is not supported; drop"),
        ({"minReaderVersion": 9}, "Unsupported minimum reader version 9; drop that feature"),
    ],
    ids=["types", "preview", "unknown", "later version"],
)
def test_unreadable_feature_is_no_fault_of_the_machine(tmp_path: Path, protocol: dict[str, Any], reason: str) -> None:
    write(tmp_path, ROWS)
    require(tmp_path, protocol)
    with pytest.raises(InputError, match=f"the Delta table .*{reason}"):
        read(tmp_path, None)


def test_object_store_is_read_too(s3_store: ObjectStore, point_settings: Any, tmp_path: Path) -> None:
    with point_settings(tmp_path):
        url = f"s3://{s3_store.bucket.name}/lake"
        night = night_until(write(url, {"id": ["1"], "body": ["a"]}, storage_options=_storage_options()))
        write(url, {"id": ["1"], "body": ["b"]}, mode="overwrite", storage_options=_storage_options())
        source = DeltaSource(kind="delta", path=url)
        assert read_table(source, ["body"], night, 1).rows() == [("a",)]
        assert read_table(source, ["body"], None, 1).rows() == [("b",)]


def test_empty_partition_is_no_slice(tmp_path: Path, store: ObjectStore) -> None:
    rows = {"id": ["1", "2", "3"], "body": ["a", "b", "c"], "lang": ["", None, "en"]}
    write(tmp_path, rows, partition_by=["lang"])
    source, columns = DeltaSource(kind="delta", path=str(tmp_path)), Columns(key="id", text="body", slice="lang")

    def extract() -> str:
        return extract_records(store, source, columns, {}, night=None, window_days=1).id

    before = extract()
    deltalake.DeltaTable(tmp_path).optimize.compact()
    assert extract() == before
    assert read_records(store, before).sort("row_id")["slice"].to_list() == [None, None, "en"]
