"""Formatting: a value has the same text for all sources and code paths."""

import math
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nightloom.core.digests import canonical_json, digest_json
from nightloom.core.errors import InputError
from nightloom.recipes.schema import AnswerField, Columns
from nightloom.recipes.sources import FilesSource
from nightloom.sources.formatting import as_text, find_nested, format_batch, utc_text
from nightloom.sources.records import format_times, make_records

MADRID = "Europe/Madrid"
SOURCE = FilesSource(kind="files", path="rows.csv")


def spell(column: pa.Array) -> list[str | None]:
    return format_batch(pa.record_batch({"x": column}), ["x"])["x"].to_list()


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        ("é\u2028", pa.string(), "é\u2028"),
        ("x", pa.dictionary(pa.int8(), pa.string()), "x"),
        (-7, pa.int16(), "-7"),
        (2**64 - 1, pa.uint64(), "18446744073709551615"),
        (True, pa.bool_(), "True"),
        (7.0, pa.float64(), "7"),
        (-0.0, pa.float64(), "0"),
        (2.5, pa.float64(), "2.5"),
        (1e300, pa.float64(), "1e+300"),
        (4.7, pa.float32(), "4.7"),
        (3.0, pa.float16(), "3"),
        ([4.7], pa.list_(pa.float32()), "[4.7]"),
        ({"a": [0.1]}, pa.struct({"a": pa.list_(pa.float16())}), '{"a":[0.1]}'),
        ([("a", 4.7)], pa.map_(pa.string(), pa.float32()), '[["a",4.7]]'),
        (Decimal("1.50"), pa.decimal128(5, 2), "1.50"),
        (Decimal("0E-10"), pa.decimal128(20, 10), "0.0000000000"),
        (Decimal("1200"), pa.decimal128(5, -2), "1200"),
        (b"caf\xc3\xa9\xff", pa.binary(), "café\ufffd"),
        (date(2026, 11, 23), pa.date32(), "2026-11-23"),
        (time(8, 30), pa.time64("us"), "08:30:00"),
        (datetime(2026, 7, 1, 8), pa.timestamp("s"), "2026-07-01T08:00:00.000000+00:00"),  # noqa: DTZ001
        (datetime(2026, 7, 1, 8, tzinfo=UTC), pa.timestamp("ns", MADRID), "2026-07-01T08:00:00.000000+00:00"),
        (datetime(2026, 7, 1, 8, tzinfo=UTC), pa.timestamp("us", "+02:00"), "2026-07-01T08:00:00.000000+00:00"),
        (["b", None], pa.list_(pa.string()), '["b",null]'),
        ({"b": 1, "a": None}, pa.struct({"b": pa.int8(), "a": pa.null()}), '{"a":null,"b":1}'),
        (None, pa.null(), None),
    ],
    ids=str,
)
def test_every_type_has_one_format(value: Any, kind: pa.DataType, text: str | None) -> None:
    assert spell(pa.array([value, None], kind)) == [text, None]


_moments = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-9, minutes=-30))]) | st.none())
_values = st.one_of(
    *(st.none(), st.text(), st.integers(), st.floats(allow_nan=False), st.booleans(), _moments, st.dates()),
    *(st.binary(), st.binary().map(memoryview), st.uuids(), st.decimals(allow_nan=False)),
)


@given(values=st.lists(_values | st.text(st.characters(categories=["Cs"]))))
def test_rows_are_formatted_by_value(values: list[Any]) -> None:
    assert format_batch([[value] for value in values], ["x"])["x"].to_list() == [as_text(value) for value in values]


@given(values=st.lists(st.none() | st.datetimes()), unit=st.sampled_from(["us", "ms", "s"]))
def test_arrow_times_equal_python_times(values: list[datetime | None], unit: str) -> None:
    column = pa.array(values, pa.timestamp("us")).cast(pa.timestamp(unit), safe=False)
    assert spell(column) == [as_text(value) for value in column.to_pylist()]


def test_nested_values_are_found() -> None:
    rows = [["a", ["a"], None, "a"], [{"b": 1}, [], None, "b"], [None, None, None, "c"]]
    found = find_nested(rows, ["mixed", "nested", "empty", "plain"])
    assert {name: held.to_list() for name, held in found.items()} == {
        "mixed": [False, True, False],
        "nested": [True, True, False],
    }
    batch = pa.record_batch({"plain": ["a", "b"], "nested": [["a"], None], "empty": pa.nulls(2, pa.list_(pa.int8()))})
    assert {name: held.to_list() for name, held in find_nested(batch, ["plain", "nested", "empty"]).items()} == {
        "nested": [True, False]
    }


_numbers = st.integers(-(2**63), 2**63 - 1) | st.none()


@given(values=st.lists(_numbers) | st.lists(st.none() | st.floats(allow_nan=False)) | st.lists(st.none() | st.text()))
def test_arrow_columns_are_formatted_by_value(values: list[Any]) -> None:
    assert spell(pa.array(values)) == [as_text(value) for value in values]


def test_values_beyond_json_are_nulls_or_texts() -> None:
    values = {"n": float("nan"), "t": datetime(2026, 7, 1, 8, tzinfo=UTC), "b": b"x", "d": [Decimal("1.50")]}
    assert spell(pa.array([values])) == ['{"b":"x","d":["1.50"],"n":null,"t":"2026-07-01T08:00:00.000000+00:00"}']


def test_too_deep_value_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(InputError, match=r"holds lists or structs that JSON cannot represent \(RecursionError\)"):
        format_batch([[deep]], ["x"])


@pytest.mark.parametrize(
    "value",
    [math.nan, np.float32("nan"), np.datetime64("NaT"), Decimal("NaN"), Decimal("sNaN"), pd.NaT, pd.NA],
    ids=repr,
)
def test_no_number_and_no_time_are_null(value: Any) -> None:
    assert format_batch([[value], ["nan"]], ["x"])["x"].to_list() == [None, "nan"]


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64()], ids=str)
def test_arrow_nan_is_null(kind: pa.DataType) -> None:
    assert spell(pa.array([1.5, math.nan, None], pa.float64()).cast(kind)) == ["1.5", None, None]


@given(moments=st.lists(_moments), style=st.sampled_from(["T", " "]), precision=st.sampled_from(["auto", "seconds"]))
def test_text_times_are_read_like_python(moments: list[datetime], style: str, precision: str) -> None:
    texts = [moment.isoformat(sep=style, timespec=precision) for moment in moments]
    expected = [utc_text(datetime.fromisoformat(text)) for text in texts]
    assert format_times(pl.Series("at", texts, pl.String)).to_list() == expected


@pytest.mark.parametrize(
    ("text", "formatted"),
    [
        (None, ""),
        ("", ""),
        ("2026-11-22", "2026-11-22T00:00:00.000000+00:00"),
        ("20261122T08", "2026-11-22T08:00:00.000000+00:00"),
        ("2026-11-22 08:30:00.5", "2026-11-22T08:30:00.500000+00:00"),
        ("2026-11-22T08:30:00Z", "2026-11-22T08:30:00.000000+00:00"),
        ("2026-11-22T08:30:00+02:00", "2026-11-22T06:30:00.000000+00:00"),
    ],
)
def test_text_time_has_one_format(text: str | None, formatted: str) -> None:
    assert format_times(pl.Series("at", [text], pl.String)).to_list() == [formatted]


@pytest.mark.parametrize("text", ["2026-02-30 00:00:00", "2026-11-22 24:00:00", "2026-11-22 08:30:60", "0000-01-01"])
def test_invalid_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"isoformat|must be in|out of range"):
        format_times(pl.Series("at", ["2026-11-22 08:30:00", text], pl.String))


_blank = st.sampled_from([None, "", " \n"])
_given = _blank | st.text().map("x{}".format)


@given(rows=st.lists(st.tuples(st.none() | st.text(), _given, _given), min_size=1))
def test_answers_and_ids_use_canonical_json(rows: list[tuple[str | None, str | None, str | None]]) -> None:
    table = pl.DataFrame(rows, dict.fromkeys(("body", "team", "reply"), pl.String), orient="row")
    answer = {"team": AnswerField(column="team"), "reply": AnswerField(column="reply")}
    records = make_records(table, SOURCE, Columns(text="body"), answer, None).records
    for record, (body, *values) in zip(records.to_dicts(), rows, strict=True):
        team, reply = (value if value and value.strip() else None for value in values)
        given = canonical_json({"reply": reply, "team": team}).decode() if team or reply else None
        assert record["answer"] == given
        assert record["row_id"] == digest_json({"text": body, "answer": given})


class Tone(Enum):
    """A value as an object-relational mapper gives it."""

    CALM = "calm"
    LOUD = 2.0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(Tone.CALM, "calm", id="member"),
        pytest.param(Tone.LOUD, "2", id="member that is a number"),
        pytest.param([Tone.CALM], '["calm"]', id="list of members"),
        pytest.param(("a", Decimal("1.50")), '["a","1.50"]', id="tuple"),
        pytest.param({"b", "a"}, '["a","b"]', id="set"),
    ],
)
def test_value_of_driver_keeps_its_meaning(value: Any, text: str) -> None:
    assert as_text(value) == text
    assert format_batch([(value,)], ["x"])["x"].to_list() == [text]
