"""A refused night can be asked like any other, and says why its rows were refused."""

import json
import re
from typing import Any

import pytest
from nightloom.artifacts.results import Report
from nightloom.cli.main import main
from nightloom.nightly.chain import run_night
from nightloom.registry.nights import StageOutcome
from nightloom.registry.store import open_store

from .conftest import Installation, back, harmed

pytestmark = pytest.mark.usefixtures("children_in_this_process")

ROW = "5-0"


def run(night: str) -> dict[str, StageOutcome]:
    return {outcome.stage: outcome for outcome in run_night("triage", night, lambda *_: None)}


def ask(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capsys.readouterr()
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        pytest.param("texts too long", "too_long", id="own length of each"),
        pytest.param("labels of another team", "invalid_answer (team of 5 characters)", id="answer"),
        pytest.param("target missing in every row", "missing_answer (team)", id="no answer"),
        pytest.param("texts instruct the model", "prompt_injection", id="scanner"),
    ],
)
def test_refusal_names_most_frequent_reason(
    champion_installation: Installation, capsys: pytest.CaptureFixture[str], harm: str, reason: str
) -> None:
    with harmed(champion_installation, harm):
        outcomes = run(back(4))
    message, rule = outcomes["prepare"].message, reason.partition(" ")[0]
    assert outcomes["prepare"].status == "refused"
    assert f"; the most frequent reason is {reason}" in message
    assert ", in 60 of 60 rows: see `nightloom quarantine show triage" in message
    named = ask(capsys, *re.findall("`nightloom (.*?)`", message)[-1].split())
    assert (named["rows"], {row["rule"] for row in named["shown"]}) == (60, {rule})
    counted = ask(capsys, "quarantine", "list", "triage", "--night", back(4))["rules"]
    assert counted == [{"rule": rule, "rows": 60, "released": 0}]
    (event,) = ask(capsys, "row", "show", "triage", ROW, "--night", back(4))["history"]
    assert (event["status"], event["outcome"], event["rule"]) == ("refused", "quarantined", rule)
    store = open_store()
    page = store.get_blob(store.load(Report, str(outcomes["report"].manifest)).provenance.html).decode()
    assert f'<th scope="row">quarantined</th><td>{rule.replace("_", " ")}</td>' in page


def test_rows_of_night_beyond_limits_are_known(
    champion_installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    with harmed(champion_installation, "one label for all"):
        message = run(back(4))["prepare"].message
    assert "the distribution of the labels of 'team' differs" in message
    assert "most frequent reason" not in message
    shown = ask(capsys, "row", "show", "triage", ROW, "--night", back(4))
    (event,) = shown["history"]
    assert (event["status"], event["outcome"], shown["adapters"]) == ("refused", "kept", [])


def test_row_of_refused_night_is_released(
    champion_installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    with harmed(champion_installation, "texts too long"):
        run(back(4))
    named = ("--rule", "too_long", "--night", back(4), "--reason", "they are short enough")
    (released,) = ask(capsys, "quarantine", "release", "triage", ROW, *named)["released"]
    assert (released["row_id"], released["rule"], released["from_night"]) == (ROW, "too_long", back(3))
