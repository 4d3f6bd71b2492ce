"""Texts of rows are only where an erasure finds them, and neither in Data Docs nor in a report."""

import html
import io
import json
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from nightloom.artifacts.data import Curated
from nightloom.artifacts.results import Report
from nightloom.core.nights import night_of, utc_now
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore
from nightloom.nightly import prepare, report
from nightloom.nightly.chain import run_stage
from nightloom.registry.database import Database
from nightloom.registry.members import list_newest
from nightloom.registry.nights import read_outcome
from nightloom.snapshots.erase import erase_row

from tests.conftest import MemoryS3

TONIGHT = night_of(utc_now(), "UTC")
# One word of each row, and what becomes of it.
WORDS = {
    "kept": "quarrelsomezebra",
    "repaired": "melancholicotter",
    "secret": "philosophicalwalrus",
    "shouted": "indefatigablenewt",
    "warned": "perspicaciousheron",
    "same": "loquaciousmarmot",
    "an item": "vociferouslemur",
}
TEXTS = {
    "kept": "Where is my {} parcel",
    "repaired": "Write to {}@example.com about it",
    "secret": "my {} has password=Xk29sPq81LmZ4t",
    "shouted": "{} BRING IT NOW !!!",
    "warned": "is the {} lost?",
    "same": "{} {} {}",
    "an item": "what do I owe for the {}",
}
SUITE = [
    {"type": "expect_column_values_to_not_match_regex", "kwargs": {"column": "text", "regex": "!!!"}},
    {
        "type": "expect_column_values_to_not_match_regex",
        "kwargs": {"column": "text", "regex": "[?]$"},
        "severity": "warning",
    },
    {
        "type": "expect_column_distinct_values_to_be_in_set",
        "kwargs": {"column": "text", "value_set": ["hello"]},
        "severity": "warning",
    },
    {
        "type": "expect_column_most_common_value_to_be_in_set",
        "kwargs": {"column": "text", "value_set": ["hello"]},
        "severity": "warning",
    },
    {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "text"}, "severity": "warning"},
]
RECIPE = """\
name: triage
owner: support-platform
task:
  columns: {{key: id, updated_at: updated_at, text: body}}
  answer: {{team: {{column: team}}}}
  primary: team
  prompt: triage/1
prepare:
  source: {{kind: files, path: "{folder}/rows.parquet"}}
  suite: triage
  planted_rows:
    source: {{kind: files, path: "{folder}/planted.csv"}}
    key: id
    kind: kind
    outcome: outcome
    rule: rule
train: {{trainer: dummy, base: dummy}}
evaluate:
  sets: [{{name: gold, source: {{kind: files, path: "{folder}/gold.csv"}}, columns: {{key: id, text: body}}}}]
  linear_classifier: false
"""


def write_rows(folder: Path) -> None:
    """Write the named rows and others."""
    named = [(row, TEXTS[row].format(*[word] * 3), "sales") for row, word in WORDS.items()]
    others = [(f"T{number}", f"parcel {chr(97 + number % 26) * 30}", "billing") for number in range(40)]
    rows = pl.DataFrame([*named, ("same too", named[5][1], "sales"), *others], ["id", "body", "team"], orient="row")
    moment = f"{TONIGHT - timedelta(days=2)} 08:00:00"
    rows.with_columns(updated_at=pl.lit(moment)).write_parquet(folder / "rows.parquet")
    (folder / "gold.csv").write_text(f"id,body,team\ngold,{TEXTS['an item'].format(WORDS['an item'])},sales\n")
    (folder / "planted.csv").write_text("id,kind,outcome,rule\nsecret,secret,quarantined,secret\n")


def find_words(data: bytes) -> set[str]:
    """Return the rows whose words are in a blob, with Parquet unpacked."""
    text = pl.read_parquet(io.BytesIO(data)).write_ndjson() if data[:4] == b"PAR1" else data.decode()
    return {row for row, word in WORDS.items() if word in html.unescape(text)}


@pytest.fixture
def night(folder: Path, monkeypatch: pytest.MonkeyPatch) -> date:
    """A night that was prepared and reported."""
    (folder / "suites").mkdir()
    (folder / "suites" / "triage.json").write_text(json.dumps({"expectations": SUITE}), encoding="utf-8")
    monkeypatch.setenv("NIGHTLOOM_EXPECTATIONS_DIR", str(folder / "suites"))
    get_settings.cache_clear()
    (folder / "recipes" / "triage.yaml").write_text(RECIPE.format(folder=folder), encoding="utf-8")
    write_rows(folder)
    opened = prepare.open_night("triage", str(TONIGHT - timedelta(days=1)))
    run_stage("triage", opened, "prepare", lambda *_: None)
    report.write_report("triage", opened)
    return date.fromisoformat(opened)


def test_docs_and_report_hold_no_texts(
    folder: Path, night: date, store: ObjectStore, s3: MemoryS3, registry: Database
) -> None:
    outcome = read_outcome(registry, "triage", night, "prepare")
    assert outcome
    assert outcome.status == "done"
    found = {key: find_words(data) for key, data in s3.objects.items()}
    assert set().union(*found.values()) == set(WORDS)
    (curated,) = list_newest(registry, "curated", "triage")
    docs = store.get_blob(str(store.load(Curated, curated.manifest).provenance.docs))
    (made,) = list_newest(registry, "report", "triage")
    reported = store.load(Report, made.manifest)
    pages = [docs, store.get_blob(reported.provenance.html), store.get_blob(reported.content.facts)]
    pages += [path.read_bytes() for path in (folder / "var" / "reports").rglob("*.*")]
    assert len(pages) == 5
    assert [find_words(page) for page in pages] == [set()] * 5
    assert [key for key, rows in found.items() if rows and "/manifests/" in key] == []
    assert b"most common value" in docs

    # Two rows repeat the text of another: each is erased separately.
    for row in (*WORDS, "same too", "gold"):
        erase_row(store, registry, "triage", row, who="eva", why="she asked for it")
    assert {key: rows for key, data in s3.objects.items() if (rows := find_words(data))} == {}
