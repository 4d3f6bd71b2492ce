"""A scorer, a source kind, a scanner and a report section are added by a short file and an entry point."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from nightloom.artifacts.models import ModelRef
from nightloom.artifacts.reading import read_records
from nightloom.core.nights import NightCut
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore
from nightloom.evaluation.scoring import score_model
from nightloom.recipes.check import check_recipe
from nightloom.recipes.preparation import Prepare
from nightloom.recipes.schema import Columns
from nightloom.recipes.sources import OtherSource
from nightloom.registry.database import Database
from nightloom.reports.write import write_report
from nightloom.sources.extract import extract_records

from tests.factories.report_nights import NIGHT, RECIPE, Nights
from tests.unit.curation.conftest import SALES, curate, records  # noqa: F401  # records: a fixture

FOLDER = Path(__file__).parent
MOST_LINES = 40
MAILS = """\
From ann Sun Nov 22 10:00:00 2026
Message-ID: 1
Date: Sun, 22 Nov 2026 10:00:00 +0000

My card is lost.

From bob Mon Nov 23 10:00:00 2026
Message-ID: 2
Date: Mon, 23 Nov 2026 10:00:00 +0000

This one is from after the cut.
"""


def test_extensions_are_short() -> None:
    files = [path for path in FOLDER.iterdir() if path.is_file() and not path.name.startswith(("test_", "conftest"))]
    assert sorted(path.name for path in files) == [
        "answer_length.py",
        "mailbox_source.py",
        "order_numbers.py",
        "unanswered.html.j2",
        "unanswered.py",
    ]
    assert [path.name for path in files if len(path.read_text(encoding="utf-8").splitlines()) > MOST_LINES] == []


def test_added_scorer_scores_a_model(
    store: ObjectStore, make_eval_set: Callable[..., Any], make_blueprint: Callable[..., Any], scripted: Any
) -> None:
    items = make_eval_set([("refund", "billing", None), ("quote", "sales", None)])
    engine = scripted({"refund": "four", "quote": "eleven char"})
    scores = score_model(
        store,
        make_blueprint(items).content.task,
        64,
        ModelRef(base="b" * 64),
        items.id,
        lambda _store, _model: engine,
        scored_by=("answer_length",),
    )
    (metric,) = scores.result.metrics
    assert (metric.name, metric.value, metric.n) == ("answer_length", 7.5, 2)


def test_added_source_is_extracted(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "inbox").write_text(MAILS, encoding="utf-8")
    source = OtherSource(kind="mailbox", options={"path": str(tmp_path / "inbox")})
    columns = Columns(key="id", updated_at="sent_at", text="body")
    cut = NightCut("triage", date(2026, 11, 22), *(datetime(2026, 11, day, tzinfo=UTC) for day in (22, 23)))
    made = extract_records(store, source, columns, {}, night=cut, window_days=2)
    assert read_records(store, made.id).select("row_id", "text").rows() == [("1", "My card is lost.\n")]


def test_added_source_passes_recipe_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "support_triage").mkdir()
    (tmp_path / "support_triage" / "1.yaml").touch()
    monkeypatch.setenv("NIGHTLOOM_PROMPTS_DIR", str(tmp_path))
    get_settings.cache_clear()
    recipe = (Path(__file__).parents[2] / "golden" / "triage.yaml").read_text(encoding="utf-8")
    old = '{kind: files, path: "{data}/clean.csv"}'
    assert old in recipe
    (tmp_path / "triage.yaml").write_text(recipe.replace(old, "{kind: mailbox, options: {path: inbox}}"))
    mistakes = check_recipe(tmp_path / "triage.yaml")
    get_settings.cache_clear()
    assert [mistake.where for mistake in mistakes if "source" in mistake.where] == []


def test_added_scanner_redacts_in_curation(records: Callable[..., Any]) -> None:  # noqa: F811
    settings = Prepare.model_validate(
        {"source": {"kind": "mailbox"}, "scanners": {"order_numbers": "redact"}, "min_rows": 1}
    )
    curated = curate(records(("T1", "", "Where is ORD-4711, ordered a week ago?", SALES)), {}, settings)
    assert curated.examples["text"].to_list() == ["Where is <ORDER>, ordered a week ago?"]
    assert curated.ledger.select("outcome", "rule").rows() == [("repaired", "order_numbers")]


def test_added_section_is_on_the_page(store: ObjectStore, registry: Database) -> None:
    Nights(store, registry).predict(NIGHT, rows=240)
    report = write_report(store, registry, RECIPE, night=NIGHT)
    page = store.get_blob(report.provenance.html).decode()
    assert '<h2 id="unanswered">Unanswered rows</h2>' in page
    assert "<p>9 of 240 rows have no answer.</p>" in page
