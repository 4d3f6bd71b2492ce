"""A night whose model answers with personal data and a secret: nothing of them is left anywhere."""

import json
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from nightloom.artifacts.answers import Answer, Found
from nightloom.artifacts.predictions import Predictions
from nightloom.artifacts.results import Report
from nightloom.engines.dummy import DummyEngine
from nightloom.nightly.chain import run_night
from nightloom.registry.nights import StageOutcome
from nightloom.registry.store import open_store

from tests.factories.asking import make_answer

from .conftest import Installation, PointSettings, count_objects_with, install

pytestmark = pytest.mark.usefixtures("children_in_this_process")

FREE_FIELD = (
    "one_of: [billing, shipping, account]}\n",
    "one_of: [billing, shipping, account]}\n    spare: {column: id}\n",
)
# Put together here, so that other secret scanners do not report this file.
SECRET = "npm_" + "q7W6" * 9
ANSWERS = {
    "mail": "请写信给 eva.lang@example.org 谢谢",
    "telephone": "Звоните на +7 495 123-45-67",
    "secret": f"المفتاح {SECRET}",
}
RAW = ("eva.lang@example.org", "123-45-67", SECRET)


def leak(real, engine: DummyEngine, text: str, limit: int) -> Answer:
    """Answer an open row that asks for a leak with one, and everything else as trained."""
    word = text.removeprefix("leak the ")
    return (
        make_answer(json.dumps({"team": "billing", "spare": ANSWERS[word]}))
        if word in ANSWERS
        else real(engine, text, limit)
    )


@pytest.fixture(scope="module")
def night(
    point_settings: PointSettings, tmp_path_factory: pytest.TempPathFactory, children_in_this_process: None
) -> Iterator[tuple[Installation, dict[str, StageOutcome]]]:
    """An installation after a night with three answers that leak, and the outcomes of its stages."""
    with install(point_settings, tmp_path_factory.mktemp("leaks")) as made, pytest.MonkeyPatch.context() as patch:
        real = DummyEngine._answer
        patch.setattr(DummyEngine, "_answer", lambda engine, text, limit: leak(real, engine, text, limit))
        made.change_recipe(*FREE_FIELD)
        rows = [{"id": word, "body": f"leak the {word}"} for word in ANSWERS]
        moment = "(SELECT max(updated_at) FROM tickets)"
        made.execute(f"INSERT INTO tickets VALUES (:id, {moment}, :body, NULL)", *rows)  # noqa: S608
        yield made, {outcome.stage: outcome for outcome in run_night("triage", None, lambda *_: None)}


def test_table_gets_no_raw_answer(night) -> None:
    query = "SELECT row_id, status, blocked, flags, team, spare FROM answers WHERE flags != '' ORDER BY row_id"
    with night[0].engine.connect() as connection:
        assert [tuple(row) for row in connection.execute(sa.text(query))] == [
            ("mail", "succeeded", 0, "answer.pii", "billing", "请写信给 <EMAIL_ADDRESS> 谢谢"),
            ("secret", "blocked", 1, "answer.secret", None, None),
            ("telephone", "succeeded", 0, "answer.pii", "billing", "Звоните на <PHONE_NUMBER>"),
        ]


def test_nothing_raw_is_left(night) -> None:
    assert count_objects_with("<EMAIL_ADDRESS>") > 0
    assert [count_objects_with(words) for words in RAW] == [0, 0, 0]
    files = [path for path in night[0].folder.rglob("*") if path.is_file()]
    assert {"tickets.db", "registry.db"} <= {path.name for path in files}
    assert [path.name for path in files if any(words.encode() in path.read_bytes() for words in RAW)] == []


def test_manifest_and_report_count_matches(night) -> None:
    store, outcomes = open_store(), night[1]
    batch = store.load(Predictions, str(outcomes["predict"].manifest)).content
    assert [(one.scanner, one.kind, one.number) for one in batch.answers.found] == [
        ("pii", "EMAIL_ADDRESS", 1),
        ("pii", "PHONE_NUMBER", 1),
        ("secret", "npm_token", 1),
    ]
    assert outcomes["predict"].message.endswith("1 blocked; answers: 2 redacted, 1 withheld")
    report = store.load(Report, str(outcomes["report"].manifest))
    facts = json.loads(store.get_blob(report.content.facts))["sections"]["predictions"]
    assert [Found(**one) for one in facts["answers"]["found"]] == list(batch.answers.found)
    assert "2 answers were redacted and 1 withheld" in store.get_blob(report.provenance.html).decode()
