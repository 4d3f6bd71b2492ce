"""A batch with wrong columns is refused with a reason; snapshot and champion stay."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from markupsafe import escape
from nightloom.artifacts.results import Report
from nightloom.core.errors import NightloomError
from nightloom.core.nights import Stop, night_of, utc_now
from nightloom.core.store import ObjectStore
from nightloom.nightly import prepare, report
from nightloom.registry.database import Database, open_database
from nightloom.registry.night_lock import release_night_lock
from nightloom.registry.nights import read_outcome
from nightloom.registry.refs import move_ref, read_ref

RECIPE = """\
name: triage
owner: support-platform
task:
  columns: {{key: id, updated_at: updated_at, text: body}}
  answer: {{team: {{column: team, one_of: [billing, shipping]}}}}
  primary: team
  prompt: triage/1
prepare: {{source: {source}}}
train: {{trainer: dummy, base: dummy}}
evaluate:
  sets: [{{name: gold, source: {{kind: files, path: "{folder}/gold.csv"}}, columns: {{text: body}}}}]
  linear_classifier: false
"""
SOURCES = {
    "sql": '{kind: sql, connection: tickets, query: "'
    'SELECT id, updated_at, body, team FROM tickets WHERE updated_at < :cut_to"}',
    "csv": '{kind: files, path: "FOLDER/rows.csv"}',
    "jsonl": '{kind: files, path: "FOLDER/rows.jsonl"}',
    "parquet": '{kind: files, path: "FOLDER/rows.parquet"}',
    "delta": '{kind: delta, path: "FOLDER/table"}',
}
TONIGHT = night_of(utc_now(), "UTC")


def write_sql(folder: Path, rows: pl.DataFrame) -> None:
    rows.write_database("tickets", f"sqlite:///{folder / 'tickets.db'}", if_table_exists="replace")


def write_delta(folder: Path, rows: pl.DataFrame) -> None:
    deltalake = pytest.importorskip("deltalake", reason="deltalake is not installed")
    deltalake.write_deltalake(folder / "table", rows.to_arrow(), mode="overwrite", schema_mode="overwrite")
    # As if written in the past: a table is read as of the night's cut.
    for log in (folder / "table" / "_delta_log").glob("*.json"):
        text = re.sub(r'"timestamp":\d+', f'"timestamp":{int(log.stem)}', log.read_text(encoding="utf-8"))
        log.write_text(text, encoding="utf-8")


WRITERS: dict[str, Callable[[Path, pl.DataFrame], object]] = {
    "sql": write_sql,
    "csv": lambda folder, rows: rows.write_csv(folder / "rows.csv"),
    "jsonl": lambda folder, rows: rows.write_ndjson(folder / "rows.jsonl"),
    "parquet": lambda folder, rows: rows.write_parquet(folder / "rows.parquet"),
    "delta": write_delta,
}


def make_rows() -> pl.DataFrame:
    """Return rows of the past days, no two alike."""
    return pl.DataFrame(
        {
            "id": [f"T{number}" for number in range(40)],
            "updated_at": [f"{TONIGHT - timedelta(days=2 + number % 5)} 08:00:00" for number in range(40)],
            "body": [f"{'invoice' if number % 2 else 'parcel'} {chr(97 + number % 26) * 30}" for number in range(40)],
            "team": ["billing" if number % 2 else "shipping" for number in range(40)],
        }
    )


def write_recipe(folder: Path, source: str) -> None:
    text = RECIPE.format(source=source.replace("FOLDER", str(folder)), folder=folder)
    (folder / "recipes" / "triage.yaml").write_text(text, encoding="utf-8")


def extract(night: date) -> str | Stop:
    try:
        return prepare.extract_records("triage", prepare.open_night("triage", str(night)))
    finally:
        release_night_lock(open_database(), "triage", night)


def expect_refusal(registry: Database, night: date, message: str) -> None:
    assert isinstance(extract(night), Stop)
    outcome = read_outcome(registry, "triage", night, "prepare")
    assert outcome
    assert outcome.status == "refused"
    assert re.search(message, outcome.message)


TYPES = {
    # What a source of this kind may make of a column, and what of that cannot be used.
    "sql": (pl.col("updated_at").str.to_datetime().dt.epoch("s"), r"column 'updated_at' of the query .* not an ISO"),
    "csv": (pl.lit("yesterday").alias("updated_at"), "column 'updated_at' of the file .* not an ISO time"),
    "jsonl": (pl.struct(html=pl.col("body")).alias("body"), "column 'body' of the file .* holds lists or objects"),
    "parquet": (pl.concat_list("body").alias("body"), "column 'body' of the file .* holds lists or objects"),
    "delta": (pl.struct(name="team").alias("team"), "column 'team' of the Delta table .* holds lists or objects"),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_wrong_columns_refuse_the_night(folder: Path, registry: Database, kind: str) -> None:
    write_recipe(folder, SOURCES[kind])
    WRITERS[kind](folder, make_rows())
    assert isinstance(extract(TONIGHT - timedelta(days=2)), str)
    for ref in ("latest", "champion"):
        move_ref(registry, recipe="triage", name=ref, expected=None, value=ref, night=TONIGHT, who="eva", why="first")
    changed, said = TYPES[kind]
    WRITERS[kind](folder, make_rows().drop("team"))
    expect_refusal(registry, TONIGHT - timedelta(days=1), r"no (such )?column:? '?team")
    WRITERS[kind](folder, make_rows().with_columns(changed))
    expect_refusal(registry, TONIGHT, said)
    assert [read_ref(registry, "triage", ref) for ref in ("latest", "champion")] == ["latest", "champion"]


def test_report_names_wrong_columns(folder: Path, store: ObjectStore) -> None:
    write_recipe(folder, SOURCES["csv"])
    WRITERS["csv"](folder, make_rows().drop("team"))
    assert isinstance(refused := extract(TONIGHT), Stop)
    made = store.load(Report, str(report.write_report("triage", str(TONIGHT))))
    assert b'"outcome":"refused"' in store.get_blob(made.content.facts)
    assert escape(refused.message) in store.get_blob(made.provenance.html).decode()


def test_file_without_header_is_refused(folder: Path, registry: Database) -> None:
    write_recipe(folder, SOURCES["csv"])
    make_rows().write_csv(folder / "rows.csv", include_header=False)
    expect_refusal(registry, TONIGHT, "the first line of .* names none of the columns id, updated_at, body, team;")
    outcome = read_outcome(registry, "triage", TONIGHT, "prepare")
    assert outcome
    assert not any(word in outcome.message for word in make_rows().row(0))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param('{kind: files, path: "FOLDER/none.csv"}', "there is no file at", id="missing file"),
        pytest.param('{kind: sql, connection: elsewhere, query: "SELECT :cut_to"}', "elsewhere", id="wrong connection"),
        pytest.param(
            '{kind: sql, connection: tickets, query: "SELECT FROM < :cut_to"}',
            "failed: .*syntax error",
            id="wrong query",
        ),
    ],
)
def test_other_errors_fail_the_night(folder: Path, registry: Database, source: str, message: str) -> None:
    write_recipe(folder, source)
    write_sql(folder, make_rows())
    with pytest.raises(NightloomError, match=message):
        extract(TONIGHT)
    outcome = read_outcome(registry, "triage", TONIGHT, "prepare")
    assert outcome
    assert outcome.status == "failed"
