"""Nothing is lost: each row of a file has an outcome in its night, in training and in the batch."""

import json
from datetime import timedelta
from typing import Any

import pytest
from nightloom.cli.main import main
from nightloom.core.nights import night_of, utc_now
from nightloom.nightly.chain import run_night

from .conftest import TEAMS, Installation, write_text

pytestmark = pytest.mark.usefixtures("children_in_this_process")


def ask(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capsys.readouterr()
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def write_rows(installation: Installation, name: str, count: int, first: int, **changed: dict[str, Any]) -> None:
    """Write rows of yesterday; some of them changed, by their id."""
    at = f"{night_of(utc_now(), 'UTC') - timedelta(days=1)}T10:00:00Z"
    lines = []
    for number in range(first, first + count):
        team = list(TEAMS)[number % 3]
        row = {"id": f"R{number}", "updated_at": at, "body": write_text(team, number), "team": team}
        row = {key: value for key, value in {**row, **changed.get(f"R{number}", {})}.items() if value is not ...}
        lines.append(json.dumps(row))
    (installation.folder / name).write_text("\n".join(lines), encoding="utf-8")


@pytest.fixture
def files(installation: Installation) -> Installation:
    """An installation that reads and predicts rows of files, and writes no table."""
    text = installation.recipe_file.read_text(encoding="utf-8")
    start, end = text.index("  source:\n    kind: sql"), text.index("train: {")
    text = f"{text[:start]}  source: {{kind: files, path: {installation.folder}/rows.jsonl}}\n{text[end:]}"
    batch = f"predict: {{source: {{kind: files, path: {installation.folder}/open.jsonl}}}}\n"
    text = f"{text[: text.index('predict:')]}{batch}"
    installation.recipe_file.write_text(text, encoding="utf-8")
    changed = {"R1": {"updated_at": None}, "R2": {"updated_at": ""}, "R3": {"updated_at": "1970-01-01"}}
    write_rows(installation, "rows.jsonl", 90, 0, **changed)
    return installation


def test_rows_of_files_have_outcomes(files: Installation, capsys: pytest.CaptureFixture[str]) -> None:
    changed = {"R501": {"updated_at": None}, "R502": {"updated_at": ...}, "R503": {"updated_at": "2020-01-01"}}
    write_rows(files, "open.jsonl", 6, 500, **changed)
    outcomes = {outcome.stage: outcome for outcome in run_night("triage", None, lambda *_: None)}
    assert {outcome.status for outcome in outcomes.values()} == {"done"}
    assert outcomes["prepare"].message.startswith("90 rows in, 87 examples")
    (counted,) = ask(capsys, "quarantine", "list", "triage")["rules"]
    assert (counted["rule"], counted["rows"]) == ("no_time", 3)
    (event,) = ask(capsys, "row", "show", "triage", "R3")["history"]
    assert (event["outcome"], event["measured"][:10]) == ("quarantined", "1970-01-01")
    # The row of another night is not answered in this one.
    rows = {row["row_id"]: row for row in ask(capsys, "predictions", "show", "triage")["shown"]}
    assert {row_id: row["status"] for row_id, row in rows.items()} == {
        **dict.fromkeys(("R500", "R504", "R505"), "succeeded"),
        **dict.fromkeys(("R501", "R502"), "failed"),
    }
    assert (rows["R501"]["error"], rows["R500"]["team"] in TEAMS) == ("no_time", True)


def test_released_row_without_time_is_learned(files: Installation, capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(files, "open.jsonl", 1, 500)
    night = night_of(utc_now(), "UTC")
    run_night("triage", str(night - timedelta(days=1)), lambda *_: None)
    assert ask(capsys, "quarantine", "release", "triage", "R1", "--reason", "it is of today")["released"]
    run_night("triage", str(night), lambda *_: None)
    (event,) = ask(capsys, "row", "show", "triage", "R1", "--night", str(night))["history"]
    assert event["outcome"] in ("kept", "repaired")
