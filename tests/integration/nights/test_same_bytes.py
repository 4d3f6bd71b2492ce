"""Two recipes that train the same bytes: each has its own champion, task and lists."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from nightloom.artifacts.results import Scores, Verdict
from nightloom.cli.main import main
from nightloom.core.nights import parse_night
from nightloom.nightly.chain import run_night, run_steps
from nightloom.nightly.prepare import open_night
from nightloom.promotion.champions import Champion, find_champion
from nightloom.registry.database import open_database
from nightloom.registry.nights import read_outcome
from nightloom.registry.store import open_store

from .conftest import Installation, PointSettings, back, install

Ask = Callable[..., Any]

NAMES = {"triage": "team", "squads": "squad", "helpdesk": "team"}
"""Recipe → name of its answer's field; `helpdesk` is `triage` under another name."""

SPARE = {"spare": "crew"}
"""A recipe that has compared the adapter and promoted nothing."""


@pytest.fixture(scope="module")
def nights(
    point_settings: PointSettings, tmp_path_factory: pytest.TempPathFactory, children_in_this_process: None
) -> Iterator[Installation]:
    """The same night of recipes that share an adapter, and another night of `squads`."""
    with install(point_settings, tmp_path_factory.mktemp("same")) as made:
        made.add_tickets(15, days_ago=2, answered=False, first=500)
        made.change_recipe("task:\n", "task:\n  output: text\n")
        first = made.recipe_file.read_text(encoding="utf-8")
        for name, field in (NAMES | SPARE).items():
            text = first.replace("name: triage", f"name: {name}").replace("table: answers", f"table: answers_{name}")
            text = text.replace("team: {column", f"{field}: {{column").replace("primary: team", f"primary: {field}")
            (made.folder / "recipes" / f"{name}.yaml").write_text(text, encoding="utf-8")
        for name in NAMES:
            run_night(name, back(1), lambda *_: None)
        run_night("squads", back(0), lambda *_: None)
        open_night("spare", back(1))
        for stage, last in (("prepare", None), ("finetune", "compare_candidate")):
            run_steps(stage, "spare", back(1), lambda *_: None, last=last)
        yield made


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """Return exit code and document of a command."""

    def ask(*arguments: str) -> tuple[int, Any]:
        code = main([*arguments, "--json"])
        return code, json.loads(capsys.readouterr().out)

    return ask


def read_champion(recipe: str) -> Champion:
    champion = find_champion(open_store(), open_database(), recipe)
    assert champion
    return champion


def test_recipes_share_one_adapter(nights: Installation) -> None:
    assert len({read_champion(recipe).adapter for recipe in NAMES}) == 1


@pytest.mark.parametrize("recipe", NAMES)
def test_champion_cites_its_recipes_verdict(nights: Installation, recipe: str) -> None:
    champion = read_champion(recipe)
    verdict = open_store().load(Verdict, champion.cites).content
    assert (verdict.recipe, verdict.champion, verdict.finding) == (recipe, None, "BETTER")
    assert champion.task.field_order == (NAMES[recipe],)


def test_champion_gets_its_recipes_task(nights: Installation) -> None:
    outcome = read_outcome(open_database(), "squads", parse_night(back(0)), "finetune")
    assert outcome
    assert outcome.status == "done"
    scores = open_store().load(Verdict, str(outcome.manifest)).content.scores
    keys = {one.role: open_store().load(Scores, one.scores).key for one in scores}
    assert {role: key.task.field_order for role, key in keys.items()} == dict.fromkeys(
        ("baseline", "candidate", "champion"), ("squad",)
    )


@pytest.mark.parametrize("recipe", NAMES)
def test_answers_fill_its_recipes_column(nights: Installation, recipe: str) -> None:
    columns = {column["name"] for column in sa.inspect(nights.engine).get_columns(f"answers_{recipe}")}
    assert columns & {"team", "squad"} == {NAMES[recipe]}


@pytest.mark.parametrize("recipe", NAMES)
def test_lists_show_one_recipe(nights: Installation, ask: Ask, recipe: str) -> None:
    champion = read_champion(recipe)
    (model,) = [one for one in ask("model", "list", recipe)[1]["models"] if one["champion"]]
    blueprint = open_store().load(Verdict, champion.cites).content.blueprint
    assert (model["id"], model["recipe"], model["blueprint"]) == (champion.adapter, recipe, blueprint)
    snapshots = ask("snapshot", "list", recipe)[1]["snapshots"]
    assert (snapshots[-1]["recipe"], snapshots[-1]["night"]) == (recipe, back(1))
    assert champion.adapter in ask("row", "show", recipe, "2-0")[1]["adapters"]


@pytest.mark.parametrize("recipe", NAMES)
def test_model_is_shown_for_one_recipe(nights: Installation, ask: Ask, recipe: str) -> None:
    champion = read_champion(recipe)
    _, shown = ask("model", "show", champion.adapter, "--recipe", recipe)
    assert (shown["recipe"], shown["task"]["field_order"]) == (recipe, [NAMES[recipe]])
    assert [one["id"] for one in shown["verdicts"]] == [champion.cites]
    assert shown["training"]["adapter"] == champion.adapter


def test_shared_model_needs_a_recipe(nights: Installation, ask: Ask) -> None:
    code, shown = ask("model", "show", read_champion("triage").adapter)
    assert (code, "choose one with --recipe" in shown["error"]["message"]) == (2, True)


def test_manual_promotion_cites_its_recipes_verdict(nights: Installation, ask: Ask) -> None:
    assert find_champion(open_store(), open_database(), "spare") is None
    adapter = read_champion("triage").adapter
    code, done = ask("model", "promote", adapter, "spare", "--reason", "it is good")
    assert (code, done["moved"]) == (0, True)
    champion = read_champion("spare")
    assert open_store().load(Verdict, champion.cites).content.recipe == "spare"
    assert (champion.adapter, champion.task.field_order) == (adapter, ("crew",))
    assert ask("model", "promote", adapter, "spare", "--reason", "again")[1]["moved"] is False
    (move,) = ask("model", "log", "spare", "--limit", "1")[1]["moves"]
    assert (move["cites"], move["by_hand"]) == (champion.cites, True)
