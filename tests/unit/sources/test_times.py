"""Times: those without a zone are one of the source's, and bounds compare rightly with every form of them."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from nightloom.artifacts.reading import read_records
from nightloom.core.errors import InputError
from nightloom.core.nights import NightCut, compute_cut
from nightloom.core.store import ObjectStore
from nightloom.recipes.schema import Columns, Recipe
from nightloom.recipes.sources import FilesSource, SqlSource
from nightloom.sources.base import Cut
from nightloom.sources.extract import extract_records
from nightloom.sources.formatting import as_text, format_batch, utc_text
from nightloom.sources.records import format_times
from nightloom.sources.sql_times import _compare_with, bind_times, set_time_zone
from nightloom.sources.tables import read_table

ZONES = ("UTC", "Asia/Tokyo", "America/New_York", "Asia/Kolkata", "America/Havana", "America/Santiago", "Asia/Beirut")
FORMS: dict[str, Callable[[datetime], str]] = {
    "seconds": lambda at: at.strftime("%Y-%m-%d %H:%M:%S"),
    "with T": lambda at: at.strftime("%Y-%m-%dT%H:%M:%S"),
    "microseconds": lambda at: at.strftime("%Y-%m-%d %H:%M:%S.%f"),
    "milliseconds": lambda at: at.strftime("%Y-%m-%d %H:%M:%S.000"),
    "minutes": lambda at: at.strftime("%Y-%m-%d %H:%M"),
    "Z": lambda at: at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    "offset": lambda at: at.astimezone(ZoneInfo("Asia/Kathmandu")).isoformat(" "),
}
KEYED = Columns(key="id", updated_at="updated_at", text="body")


def night(day: date, zone: str = "UTC") -> NightCut:
    return compute_cut("triage", day, zone)


def query(where: str, **more: Any) -> SqlSource:
    sql = f"SELECT * FROM tickets WHERE {where}"  # noqa: S608  # the conditions stand in this file
    return SqlSource(kind="sql", connection="tickets", query=sql, **more)


def insert(engine: sa.Engine, *times: str) -> None:
    rows = [{"id": str(number), "at": at} for number, at in enumerate(times)]
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM tickets"))
        connection.execute(sa.text("INSERT INTO tickets VALUES (:id, :at, 'a', 'b')"), rows)


def ids_of(store: ObjectStore, source: SqlSource | FilesSource, cut: NightCut) -> list[str]:
    records = extract_records(store, source, KEYED, {}, night=cut, window_days=1)
    return read_records(store, records.id)["row_id"].to_list()


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("form", FORMS)
def test_row_at_midnight_is_in_the_next_cut(store: ObjectStore, tickets: sa.Engine, form: str, zone: str) -> None:
    source = query("updated_at >= :cut_from AND updated_at < :cut_to", timezone=zone)
    midnight = datetime(2026, 11, 23, tzinfo=ZoneInfo(zone))
    insert(tickets, *(FORMS[form](midnight + timedelta(minutes=minutes)) for minutes in (-1440, -1, 0, 1439)))
    assert ids_of(store, source, night(date(2026, 11, 23), zone)) == ["0", "1"]
    assert ids_of(store, source, night(date(2026, 11, 24), zone)) == ["2", "3"]


@settings(max_examples=60, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    form=st.sampled_from(sorted(FORMS)),
    day=st.dates(date(2026, 1, 2), date(2026, 12, 30)) | st.sampled_from([date(2026, 3, 8), date(2026, 9, 6)]),
    at=st.times(),
)
def test_row_is_in_exactly_one_night(tickets_of: sa.Engine, zone: str, form: str, day: date, at: time) -> None:
    local = datetime.combine(day, at.replace(microsecond=0), ZoneInfo(zone))
    moment = local.astimezone(UTC).astimezone(ZoneInfo(zone))  # a time that clocks skip may be one of the day before
    insert(tickets_of, FORMS[form](moment))
    source = query("updated_at >= :cut_from AND updated_at < :cut_to", timezone=zone)
    nights = [night(moment.date() + timedelta(days=days), zone) for days in (-1, 0, 1, 2)]
    assert [len(read_table(source, ["id"], each, 1)) for each in nights] == [0, 0, 1, 0]


@pytest.fixture(scope="module")
def tickets_of(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("times")
    engine = sa.create_engine(f"sqlite:///{folder / 'tickets.db'}")
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE tickets (id TEXT, updated_at TEXT, body TEXT, team TEXT)"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTLOOM_CONN_TICKETS", str(engine.url))
        yield engine


_offsets = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
_near = st.datetimes(datetime(2026, 11, 19), datetime(2026, 11, 27))  # noqa: DTZ001  # also as a text without zone


@given(at=_near, offset=_offsets | st.none(), zone=st.sampled_from(ZONES), spelled=st.sampled_from("T "))
def test_texts_compare_as_moments(at: datetime, offset: timezone | None, zone: str, spelled: str) -> None:
    bound = datetime(2026, 11, 23, 5, tzinfo=UTC)
    moment = at.replace(tzinfo=offset or ZoneInfo(zone))
    text, bound_text = at.replace(tzinfo=offset).isoformat(spelled), "2026-11-23 05:00:00+00:00"
    compare = _compare_with([bound], ZoneInfo(zone))
    order = (moment > bound) - (moment < bound)
    assert (compare(text, bound_text), compare(bound_text, text)) == (order, -order)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris", "Pacific/Auckland"])
def test_dates_alone_are_their_midnight(store: ObjectStore, tickets: sa.Engine, zone: str) -> None:
    insert(tickets, "2026-11-21", "2026-11-22", "2026-11-23")
    source = query("updated_at >= :cut_from AND updated_at < :cut_to", timezone=zone)
    assert ids_of(store, source, night(date(2026, 11, 23), zone)) == ["1"]


@pytest.mark.parametrize(
    "where",
    [
        "updated_at BETWEEN :cut_from AND :cut_to",
        "datetime(updated_at) >= datetime(:cut_from) AND updated_at < :cut_to",
        "strftime('%s', updated_at) >= strftime('%s', :cut_from) AND updated_at < :cut_to",
        ":cut_from <= updated_at AND :cut_to > updated_at",
    ],
)
def test_bounds_work_in_expressions(tickets: sa.Engine, where: str) -> None:
    insert(tickets, "2026-11-21 23:59:59", "2026-11-22 00:00:00", "2026-11-22T12:00:00Z", "2026-11-23 00:00:01")
    assert read_table(query(where), ["id"], night(date(2026, 11, 23)), 1)["id"].to_list() == ["1", "2"]


def test_text_that_is_no_time_stays_text(tickets: sa.Engine) -> None:
    insert(tickets, "", "2026-11-22 08:00:00", "unknown")
    assert read_table(query("updated_at < :cut_to"), ["id"], night(date(2026, 11, 23)), 1)["id"].to_list() == ["0", "1"]


def test_refusal_says_how_times_are_read(store: ObjectStore, tickets: sa.Engine) -> None:
    insert(tickets, "2026-11-23 00:30:00")
    source = query("TRUE", timezone="Asia/Tokyo")
    expected = (
        r"1 row from after the cut of night 2026-11-23; filter the query by :cut_to, which is 2026-11-23 00:00 in "
        r"Asia/Tokyo, as are times without a time zone; `timezone` of the source sets another"
    )
    with pytest.raises(InputError, match=expected):
        ids_of(store, source, night(date(2026, 11, 23), "Asia/Tokyo"))


@pytest.mark.parametrize(
    ("zone", "rows"),
    [("Asia/Tokyo", ["0", "1"]), ("America/New_York", ["0", "1"]), ("UTC", ["0", "1"])],
)
def test_file_is_read_in_its_zone(
    store: ObjectStore, csv_file: Callable[[bytes], FilesSource], zone: str, rows: list[str]
) -> None:
    times = ("2026-11-22 00:00:00", "2026-11-22 23:59:59", "2026-11-23 00:00:00", "2026-11-23 04:59:00")
    lines = ["id,updated_at,body", *(f"{number},{at},text {number}" for number, at in enumerate(times))]
    source = csv_file("\n".join(lines).encode()).model_copy(update={"timezone": zone})
    assert ids_of(store, source, night(date(2026, 11, 23), zone)) == rows


def test_zoned_times_of_a_file_ignore_the_zone(store: ObjectStore, csv_file: Callable[[bytes], FilesSource]) -> None:
    source = csv_file(b"id,updated_at,body\n0,2026-11-22T14:59:59Z,a\n1,2026-11-22T15:00:00+00:00,b\n")
    in_tokyo = source.model_copy(update={"timezone": "Asia/Tokyo"})
    assert ids_of(store, in_tokyo, night(date(2026, 11, 23), "Asia/Tokyo")) == ["0"]


@pytest.mark.parametrize(
    ("text", "zone", "formatted"),
    [
        ("2026-07-01 08:00:00", "America/New_York", "2026-07-01T12:00:00.000000+00:00"),
        ("2026-12-01 08:00:00.25", "America/New_York", "2026-12-01T13:00:00.250000+00:00"),
        ("2026-12-01T08:00:00Z", "America/New_York", "2026-12-01T08:00:00.000000+00:00"),
        ("2026-12-01", "Asia/Kolkata", "2026-11-30T18:30:00.000000+00:00"),
        ("2026-03-29 02:30:00", "Europe/Berlin", "2026-03-29T01:30:00.000000+00:00"),
        ("2026-10-25 02:30:00", "Europe/Berlin", "2026-10-25T00:30:00.000000+00:00"),
    ],
    ids=["summer", "winter", "zoned", "date", "skipped hour", "repeated hour"],
)
def test_time_without_zone_is_local(text: str, zone: str, formatted: str) -> None:
    assert format_times(pl.Series("at", [text, None], pl.String), ZoneInfo(zone)).to_list() == [formatted, ""]


_local = st.datetimes(datetime(1950, 1, 1), datetime(2036, 12, 31))  # noqa: DTZ001  # as a source gives them


@given(moments=st.lists(_local | st.none()), zone=st.sampled_from(ZONES))
def test_all_readers_read_local_times_alike(moments: list[datetime | None], zone: str) -> None:
    given_zone = ZoneInfo(zone)
    expected = [moment and utc_text(moment, given_zone) for moment in moments]
    column = pa.record_batch({"x": pa.array(moments, pa.timestamp("us"))})
    texts = pl.Series("x", [moment and moment.isoformat(" ") for moment in moments], pl.String)
    assert format_batch(column, ["x"], given_zone)["x"].to_list() == expected
    assert format_batch([[moment] for moment in moments], ["x"], given_zone)["x"].to_list() == expected
    assert format_times(texts, given_zone).to_list() == [text or "" for text in expected]
    assert [as_text(moment, given_zone) for moment in moments] == expected


@pytest.mark.parametrize("zone", ZONES)
def test_first_and_last_times_stay_in_their_order(zone: str) -> None:
    moments = [datetime.fromisoformat(text) for text in ("0001-01-01", "2026-11-22", "9999-12-31T23:59:59.999999")]
    given_zone = ZoneInfo(zone)
    texts = pl.Series([moment.isoformat(" ") for moment in moments])
    batch = pa.record_batch({"x": pa.array(moments, pa.timestamp("us"))})
    for read in (format_times(texts, given_zone), format_times(format_batch(batch, ["x"], given_zone)["x"])):
        assert read.is_sorted()
        assert read.str.len_chars().to_list() == [32, 32, 32]
        assert read[1] == utc_text(moments[1], given_zone)


@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
@pytest.mark.parametrize(("unit", "far"), [("s", 10**12), ("ms", 10**15), ("us", 2**63 - 1)])
def test_times_beyond_all_years_are_the_nearest(unit: str, far: int, zone: str | None) -> None:
    column = pa.record_batch({"x": pa.array([-far, None, 0, far], pa.timestamp(unit, zone))})
    first, missing, epoch, last = format_batch(column, ["x"])["x"]
    assert (first[:4], missing, epoch[:4], last[:4]) == ("0001", None, "1970", "9999")


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-05:00"])
def test_time_beyond_all_years_is_the_nearest(text: str) -> None:
    assert format_times(pl.Series([text]))[0][:10] == text[:10]


class Session:
    """A connection of some database that keeps what is executed on it."""

    def __init__(self, name: str) -> None:
        self.name, self.executed, self.engine = name, list[str](), self

    def exec_driver_sql(self, statement: str) -> None:
        self.executed.append(statement)


@pytest.mark.parametrize(
    ("dialect", "zone", "statements"),
    [
        ("mysql", "UTC", ["SET time_zone = '+00:00'"]),
        ("mariadb", "Europe/Paris", ["SET time_zone = 'Europe/Paris'"]),
        ("oracle", "Asia/Seoul", ["ALTER SESSION SET TIME_ZONE = 'Asia/Seoul'"]),
        ("snowflake", "UTC", ["ALTER SESSION SET TIMEZONE = 'UTC'"]),
        ("mssql", "Asia/Seoul", []),
    ],
)
def test_session_gets_the_zone_of_the_source(dialect: str, zone: str, statements: list[str]) -> None:
    session = Session(dialect)
    set_time_zone(session, "tickets", ZoneInfo(zone))  # type: ignore[arg-type]
    assert session.executed == statements


def test_unknown_zone_of_a_database_is_refused() -> None:
    class Refusing(Session):
        def exec_driver_sql(self, statement: str) -> None:
            raise sa.exc.OperationalError(statement, {}, ValueError("(1298, 'Unknown or incorrect time zone')"))

    with pytest.raises(InputError, match="does not know the time zone 'Europe/Paris'; load its time zone tables, or"):
        set_time_zone(Refusing("mysql"), "tickets", ZoneInfo("Europe/Paris"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("dialect", "bound"),
    [
        ("mysql", datetime(2026, 7, 1)),  # noqa: DTZ001  # local, for a session in the same zone
        ("oracle", datetime(2026, 7, 1)),  # noqa: DTZ001
        ("postgresql", datetime(2026, 6, 30, 22, tzinfo=UTC)),
    ],
)
def test_bound_is_local_or_a_moment(dialect: str, bound: datetime) -> None:
    moment = datetime(2026, 6, 30, 22, tzinfo=UTC)
    cut = Cut(moment, moment, moment)
    clause = bind_times("SELECT 1 WHERE at < :cut_to", cut, dialect, ZoneInfo("Europe/Berlin"))
    assert clause.compile().params == {"cut_to": bound}


def test_sources_take_the_zone_of_the_recipe() -> None:
    files = {"kind": "files", "path": "/x.csv"}
    planted = {"source": files, "key": "id", "kind": "kind", "outcome": "outcome", "rule": "rule"}
    recipe = Recipe.model_validate(
        {
            "name": "triage",
            "owner": "support",
            "timezone": "Asia/Tokyo",
            "task": {"columns": KEYED, "answer": {"team": {"column": "team"}}, "primary": "team", "prompt": "t/1"},
            "prepare": {"source": {**files, "timezone": "UTC"}, "planted_rows": planted},
            "evaluate": {"sets": [{"name": "gold", "source": files, "columns": {"text": "body"}}]},
            "predict": {"source": files},
        }
    )
    assert recipe.prepare.planted_rows is not None
    assert recipe.predict is not None
    sources = (recipe.prepare.planted_rows.source, recipe.evaluate.sets[0].source, recipe.predict.source)
    assert recipe.prepare.source.timezone == "UTC"
    assert {source.timezone for source in sources} == {"Asia/Tokyo"}


def test_unknown_zone_of_a_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'Europe/Berln' is not a known time zone; write an IANA name"):
        FilesSource(kind="files", path=str(tmp_path), timezone="Europe/Berln")
