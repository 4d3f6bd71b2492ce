"""A whole night of conversations: from a file of messages to answers that use the history."""

import json
from pathlib import Path
from typing import Any

import pytest
from nightloom.artifacts.data import Preparation
from nightloom.artifacts.frames import QUARANTINE
from nightloom.artifacts.parts import read_parts
from nightloom.artifacts.predictions import Predictions
from nightloom.artifacts.reading import read_eval_set, read_snapshot
from nightloom.artifacts.results import Verdict
from nightloom.nightly.chain import run_night
from nightloom.registry.store import open_store

from .conftest import TEAMS, Installation, write_text

pytestmark = pytest.mark.usefixtures("children_in_this_process")

RECIPE = """\
name: triage
owner: support-platform
task:
  columns: {key: id, chat: messages}
  answer: {team: {one_of: [billing, shipping, account]}}
  output: text
  primary: team
  prompt: triage/1
prepare:
  source: {kind: files, path: FOLDER/chats.jsonl}
train: {trainer: dummy, base: dummy}
evaluate:
  sets:
    - name: gold
      source: {kind: files, path: FOLDER/gold.jsonl}
      columns: {key: id, chat: messages}
  linear_classifier: false
predict:
  source: {kind: files, path: FOLDER/open.jsonl}
"""
BEFORE = [
    {"role": "system", "content": "Name the team."},
    {"role": "user", "content": "Hello, is anybody there?"},
    {"role": "assistant", "content": "Yes, how can we help?"},
]
FAULTY = [
    {"id": "F1", "messages": [{"role": "tool", "content": "x"}]},
    {"id": "F2", "messages": "no list"},
    {"id": "F3", "messages": None},
    {"id": "F4", "messages": BEFORE},
]


def converse(number: int, *, answered: bool = True) -> dict[str, Any]:
    team = list(TEAMS)[number % 3]
    messages = [*BEFORE, {"role": "user", "content": write_text(team, number)}]
    answer = [{"role": "assistant", "content": team}] if answered else []
    return {"id": f"C{number}", "messages": [*messages, *answer]}


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")


@pytest.fixture
def chats(installation: Installation) -> Installation:
    """An installation whose recipe reads conversations, four of them malformed."""
    folder = installation.folder
    installation.recipe_file.write_text(RECIPE.replace("FOLDER", str(folder)), encoding="utf-8")
    write(folder / "chats.jsonl", [*map(converse, range(90)), *FAULTY])
    write(folder / "gold.jsonl", [converse(number) for number in range(900, 960)])
    write(folder / "open.jsonl", [*(converse(number, answered=False) for number in range(500, 515)), FAULTY[0]])
    return installation


@pytest.mark.usefixtures("chats")
def test_conversations_lose_no_row_or_message() -> None:
    outcomes = {outcome.stage: outcome for outcome in run_night("triage", None, lambda *_: None)}
    assert {outcome.status for outcome in outcomes.values()} == {"done"}
    store = open_store()
    preparation = store.load(Preparation, str(outcomes["prepare"].manifest)).content
    examples = read_snapshot(store, preparation.snapshot)
    assert {str(turns) for turns in examples["history"].to_list()} == {str([dict(sorted(t.items())) for t in BEFORE])}
    assert read_eval_set(store, preparation.eval_sets[0])["history"].null_count() == 0
    assert (preparation.rows_in, sum(count.rows for count in preparation.counts)) == (94, 94)
    refused = read_parts(store, preparation.quarantine, QUARANTINE).sort("row_id")
    assert refused["row_id"].to_list() == ["F1", "F2", "F3", "F4"]
    assert refused["rule"].to_list() == ["not_a_chat", "not_a_chat", "missing_answer", "invalid_answer"]
    assert refused["measured"].to_list()[:2] == [
        "message 1 has the unknown role 'tool'; known: assistant, developer, gpt, human, system, user",
        "it is not JSON: Expecting value, at character 1",
    ]
    verdict = store.load(Verdict, str(outcomes["finetune"].manifest)).content
    assert (verdict.finding, verdict.promote) == ("BETTER", True)
    predictions = store.load(Predictions, str(outcomes["predict"].manifest)).content
    assert {status: rows for status, rows in predictions.counts.items() if rows} == {"succeeded": 15, "failed": 1}


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        pytest.param(
            [{"role": "assistant", "content": "Hello, how can we help?"}], "message 1 is not the user's", id="greeting"
        ),
        pytest.param([{"from": "bot", "value": "Yes?"}], "message 1 has the unknown role 'bot'", id="role"),
        pytest.param([{"role": "user", "content": None}], "message 1 has content that is not text", id="no content"),
    ],
)
def test_night_without_conversations_says_why(chats: Installation, messages: list[dict[str, Any]], reason: str) -> None:
    rows = [{"id": f"F{number}", "messages": messages} for number in range(3)]
    write(chats.folder / "chats.jsonl", rows)
    prepared = run_night("triage", None, lambda *_: None)[0]
    assert (prepared.stage, prepared.status) == ("prepare", "refused")
    assert prepared.message.startswith(f"no row is left for training; the most frequent reason is not_a_chat ({reason}")
    assert "in 3 of 3 rows: see `nightloom quarantine show triage --night" in prepared.message
