"""The answers of a batch can be listed, shown and exported without a table."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from nightloom.registry.database import Database
from nightloom.registry.nights import end_stage

from .conftest import NIGHT, Command, PastNight

Ask = Callable[..., Any]


def test_batches_are_listed_by_night(ask: Ask, night: PastNight) -> None:
    (listed,) = ask("predictions", "list", "triage")["nights"]
    assert (listed["night"], listed["rows"], listed["succeeded"], listed["failed"]) == ("2026-11-23", 1, 1, 0)
    assert (listed["model"], listed["predictions"]) == ("b" * 64, night.predictions.id)


@pytest.mark.usefixtures("night")
def test_answer_of_a_row_is_shown(ask: Ask, command: Command) -> None:
    (row,) = ask("predictions", "show", "triage", "r9")["shown"]
    assert (row["row_id"], row["status"], row["team"], row["flags"]) == ("r9", "succeeded", "cards", "pii")
    code, out, _ = command("predictions", "show", "triage")
    assert (code, out.splitlines()[1].split()) == (0, ["r9", "succeeded", "cards", "pii", "-", "-"])
    assert out.splitlines()[2] == f"by model {'b' * 64} with prompt {'c' * 64}"


@pytest.mark.usefixtures("night")
def test_later_night_without_answers_hides_none(ask: Ask, registry: Database) -> None:
    later = NIGHT.replace(day=25)
    end_stage(registry, "triage", later, "predict", "nothing_new", "no rows to predict", None)
    assert ask("predictions", "show", "triage")["night"] == "2026-11-23"
    assert len(ask("predictions", "list", "triage", "--limit", "1")["nights"]) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("r8",), "night 2026-11-23 of triage has no prediction of r8; check the keys and the night"),
        (("--status", "done"), "no status is called 'done'; known: succeeded"),
    ],
)
@pytest.mark.usefixtures("night")
def test_unknown_row_or_status_is_refused(command: Command, arguments: tuple[str, ...], message: str) -> None:
    code, _, err = command("predictions", "show", "triage", *arguments)
    assert (code, message in err) == (2, True)


@pytest.mark.usefixtures("named")
def test_recipe_without_night_is_refused(command: Command) -> None:
    code, _, err = command("predictions", "show", "triage")
    assert (code, "recipe 'triage' has no night yet" in err) == (2, True)


@pytest.mark.usefixtures("night")
def test_answers_are_exported(ask: Ask, command: Command, tmp_path: Path) -> None:
    for ending in ("jsonl", "csv", "parquet"):
        assert ask("predictions", "export", "triage", "--to", str(tmp_path / f"x.{ending}"))["rows"] == 1
    assert pl.read_parquet(tmp_path / "x.parquet")["team"].to_list() == ["cards"]
    assert pl.read_csv(tmp_path / "x.csv")["team"].to_list() == ["cards"]
    assert json.loads((tmp_path / "x.jsonl").read_text())["nightloom"]["answer"] == {"team": "cards"}
    code, _, err = command("predictions", "export", "triage", "--to", str(tmp_path / "x.xlsx"))
    assert (code, "'x.xlsx' does not end in .jsonl, .csv, .parquet" in err) == (2, True)


@pytest.mark.usefixtures("night")
def test_row_names_its_answer_and_model(ask: Ask, command: Command) -> None:
    (event,) = ask("row", "show", "triage", "r9")["history"]
    assert (event["answer"], event["model"], event["prompt"]) == ({"team": "cards"}, "b" * 64, "c" * 64)
    assert f"night 2026-11-23: team: cards; by model {'b' * 64}" in command("row", "show", "triage", "r9")[1]
