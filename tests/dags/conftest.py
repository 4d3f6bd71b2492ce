"""The Dags as Airflow parses them, read once in another process, like by Airflow's Dag processor."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
RECIPE = """\
name: {name}
description: Sends a ticket to its team.
owner: support-platform
timezone: Asia/Tokyo
schedule: 30 2 * * *
access: {{Viewer: [can_read]}}
task:
  columns: {{key: id, updated_at: updated_at, text: body}}
  answer:
    team: {{column: team, one_of: [billing, shipping]}}
  primary: team
  prompt: triage/1
prepare:
  source:
    kind: sql
    connection: tickets
    query: SELECT id, updated_at, body, team FROM tickets WHERE updated_at < :cut_to
train:
  trainer: dummy
  base: dummy
{trials}evaluate:
  sets:
    - name: gold
      source: {{kind: sql, connection: tickets, query: "SELECT id, body, team FROM gold"}}
      columns: {{key: id, text: body}}
"""
TRIALS = """\
  trials:
    over: {settings.sample: [0.2, 0.5]}
    pruning: {rungs: [0.25, 0.5]}
"""


def read_dags(folder: Path, *, only: str | None = None) -> dict[str, Any]:
    """Return the output of `read_dags.py` for the recipes under `folder`, or for the task of the Dag `only`."""
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "NIGHTLOOM_VAR_DIR": str(folder / "var"),
        "NIGHTLOOM_RECIPES_DIR": str(folder / "recipes"),
        "NIGHTLOOM_PROMPTS_DIR": str(folder / "prompts"),
    }
    if only is not None:
        environment["_AIRFLOW_PARSING_CONTEXT_DAG_ID"] = only
    answer = folder / "dags.json"
    command = [sys.executable, str(Path(__file__).with_name("read_dags.py")), str(ROOT / "dags"), str(answer)]
    subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    facts: dict[str, Any] = json.loads(answer.read_text())
    return facts


@pytest.fixture(scope="session")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two valid recipes, one with several trials, and a broken one."""
    folder = tmp_path_factory.mktemp("dags")
    (folder / "prompts" / "triage").mkdir(parents=True)
    (folder / "prompts" / "triage" / "1.yaml").write_text("messages: [{role: user, content: '{{ text }}'}]")
    (folder / "recipes").mkdir()
    for name, trials in {"triage": TRIALS, "support_triage": ""}.items():
        (folder / "recipes" / f"{name}.yaml").write_text(RECIPE.format(name=name, trials=trials))
    broken = RECIPE.format(name="torn", trials="").replace("owner: ", "owmer: ").replace("Asia/Tokyo", "Asia/Kyoto")
    (folder / "recipes" / "torn.yaml").write_text(broken)
    return folder


@pytest.fixture(scope="session")
def facts(recipes: Path) -> dict[str, Any]:
    """The contents of dags/ and plugins/ as Airflow reads them."""
    return read_dags(recipes)
