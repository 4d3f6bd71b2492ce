"""`nightloom recipe`."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nightloom.artifacts.models import Adapter, AdapterContent, AdapterProvenance
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore

from .conftest import Command, PastNight

GOLDEN = Path(__file__).parents[2] / "golden" / "ten_mistakes.yaml"


def test_check_lists_mistakes_and_fails(command: Command) -> None:
    code, out, err = command("recipe", "check", str(GOLDEN))
    assert (code, err) == (1, "")
    assert f"{GOLDEN}:3:1: ownr: `ownr` is not a field here; write `owner`" in out
    assert out.endswith(f"10 mistakes in {GOLDEN}\n")


def test_check_prints_mistakes_as_json(ask: Callable[..., Any]) -> None:
    document = ask("recipe", "check", str(GOLDEN))
    assert (document["valid"], len(document["mistakes"])) == (False, 10)
    assert document["mistakes"][1] == {
        "line": 4,
        "column": 11,
        "where": "timezone",
        "problem": "'Europe/Berln' is not a known time zone",
        "remedy": "write an IANA name such as Europe/Berlin",
    }


def test_check_of_missing_file_is_refused(command: Command) -> None:
    code, out, err = command("recipe", "check", "nowhere.yaml")
    assert (code, out) == (2, "")
    assert err.startswith("error: the file nowhere.yaml does not exist; recipes are YAML files in ")


WITH_SOURCES = """\
name: triage
owner: support
task:
  columns: {text: body}
  answer: {team: {column: team, one_of: [billing, shipping]}}
  primary: team
  prompt: triage/1
prepare: {source: {kind: files, path: "{data}/rows.csv"}}
train: {base: dummy, trainer: dummy}
evaluate:
  sets: [{name: gold, source: {kind: files, path: "{data}/gold.jsonl"}, columns: {text: question}}]
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write the recipe, with texts replaced, and its sources; return the data folder."""
    monkeypatch.setenv("NIGHTLOOM_PROMPTS_DIR", str(tmp_path / "prompts"))
    monkeypatch.delenv("NIGHTLOOM_DATA_DIR", raising=False)
    get_settings.cache_clear()
    data = tmp_path / "data"
    for folder in (data, tmp_path / "prompts" / "triage"):
        folder.mkdir(parents=True)
    (tmp_path / "prompts" / "triage" / "1.yaml").write_text("messages: [{role: user, content: '{{ text }}'}]")
    (data / "rows.csv").write_text("body,team\nthe invoice is wrong,billing\nwhere is it,shipping\n")
    (data / "gold.jsonl").write_text('{"question": "what do I owe", "team": "billing"}\n')

    def run(**replaced: str) -> Path:
        text = WITH_SOURCES
        for old, new in replaced.items():
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "recipes" / "triage.yaml").write_text(text)
        return data

    return run


def test_check_takes_name_and_names_suites(command: Command, write: Callable[..., Path], tmp_path: Path) -> None:
    write()
    code, out, _ = command("recipe", "check", "triage")
    assert (code, out.splitlines()[0]) == (0, f"{tmp_path / 'recipes' / 'triage.yaml'} is valid")
    assert f"suites are read from {get_settings().expectations_dir}; " in out


def test_check_of_unknown_name_suggests_one(command: Command, write: Callable[..., Path]) -> None:
    write()
    assert "did you mean 'triage'? Known: triage" in command("recipe", "check", "triag")[2]


def test_check_reads_every_source(ask: Callable[..., Any], write: Callable[..., Path]) -> None:
    data = write(**{"train:": "predict: {source: {kind: files, path: '{data}/rows.csv'}}\ntrain:"})
    document = ask("recipe", "check", "triage", "--data", str(data))
    assert document["valid"] is True
    assert [(part["part"], part["rows"], part["problem"]) for part in document["parts"]] == [
        ("prepare", 2, None),
        ("evaluate.sets.gold", 1, None),
        ("predict", 2, None),
        ("task.prompt", None, None),
        ("train.base", None, None),
    ]


@pytest.mark.parametrize(
    ("replaced", "part", "problem"),
    [
        ({"question": "questoin"}, "evaluate.sets.gold", "has no column 'questoin'. Did you mean 'question'?"),
        ({"rows.csv": "row.csv"}, "prepare", "there is no file at"),
        ({"[billing, shipping]": "[Billing, Shipping]"}, "prepare", "no row can be used (2 invalid_answer)"),
        (
            {'kind: files, path: "{data}/rows.csv"': "kind: sql, connection: shop, query: SELECT 1 WHERE 1 < :cut_to"},
            "prepare",
            "connection 'shop' is not known",
        ),
        ({"base: dummy": "base: /nowhere/at/all"}, "train.base", "base model '/nowhere/at/all' does not exist"),
    ],
    ids=["column of an eval set", "file", "allowed answers", "connection", "base model"],
)
def test_check_names_what_no_night_can_read(
    command: Command,
    ask: Callable[..., Any],
    write: Callable[..., Path],
    replaced: dict[str, str],
    part: str,
    problem: str,
) -> None:
    data = write(**replaced)
    document = ask("recipe", "check", "triage", "--data", str(data))
    problems = {each["part"]: each["problem"] for each in document["parts"] if each["problem"]}
    assert problem in problems[part]
    code, out, _ = command("recipe", "check", "triage", "--data", str(data))
    assert (code, "PROBLEM: " in out) == (1, True)


GOLD = {
    "no row": ("", "it has no row, and no night is measured without items"),
    "other answers": (
        '{"question": "a", "team": "billing"}\n{"question": "b", "team": "refunds"}\n',
        "refused: 1 invalid_answer, of 2 rows; correct these rows, or raise evaluate.max_refused (0.1)",
    ),
    "one key": (
        '{"id": 1, "question": "a", "team": "billing"}\n{"id": 1, "question": "b", "team": "billing"}\n',
        "no row can be used (2 same_version)",
    ),
}


@pytest.mark.parametrize(("lines", "problem"), GOLD.values(), ids=GOLD)
def test_check_holds_eval_set_against_its_share(
    ask: Callable[..., Any], write: Callable[..., Path], lines: str, problem: str
) -> None:
    data = write(**({"{text: question}": "{key: id, text: question}"} if "id" in lines else {}))
    (data / "gold.jsonl").write_text(lines, encoding="utf-8")
    parts = {part["part"]: part["problem"] for part in ask("recipe", "check", "triage", "--data", str(data))["parts"]}
    assert parts["evaluate.sets.gold"] == problem


@pytest.mark.parametrize(
    ("prompt", "problem"),
    [
        ("Which team?", "never writes the text of a row; write `{{ text }}` where it belongs"),
        ("{{ txt }}", "cannot be used: the prompt cannot be rendered: 'txt' is undefined; its only variable is `text`"),
    ],
)
def test_check_reads_prompt(
    ask: Callable[..., Any], write: Callable[..., Path], tmp_path: Path, prompt: str, problem: str
) -> None:
    data = write()
    file = tmp_path / "prompts" / "triage" / "1.yaml"
    file.write_text(f"messages: [{{role: user, content: '{prompt}'}}]", encoding="utf-8")
    parts = {part["part"]: part["problem"] for part in ask("recipe", "check", "triage", "--data", str(data))["parts"]}
    assert parts["task.prompt"].endswith(problem)


def test_check_without_data_folder_names_it(ask: Callable[..., Any], write: Callable[..., Path]) -> None:
    write()
    parts = ask("recipe", "check", "triage", "--data")["parts"]
    assert "needs a data folder" in parts[0]["problem"]


@pytest.mark.torch
def test_check_renders_with_base_model(
    ask: Callable[..., Any],
    write: Callable[..., Path],
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nightloom.nightly.source_check.in_child", lambda function: function)
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    data = write(**{"base: dummy, trainer: dummy": f"base: {folder}", "evaluate:": "evaluate:\n  max_new_tokens: 3"})
    (part,) = [
        each for each in ask("recipe", "check", "triage", "--data", str(data))["parts"] if each["part"] == "train.base"
    ]
    assert part["notes"][0].startswith("1 of 1 right answers of gold are longer than evaluate.max_new_tokens (3)")
    (folder / "chat_template.jinja").write_text("{{ raise_exception('one turn only') }}")
    (part,) = [
        each for each in ask("recipe", "check", "triage", "--data", str(data))["parts"] if each["part"] == "train.base"
    ]
    assert "one turn only" in part["problem"]


def test_list_names_broken_recipes(command: Command, tmp_path: Path) -> None:
    (tmp_path / "recipes" / "triage.yaml").write_text("name: triage\n")
    code, out, _ = command("recipe", "list")
    assert code == 0
    assert "triage  broken" in out


def test_empty_list_has_a_message(command: Command) -> None:
    assert command("recipe", "list") == (0, "there is no recipe yet\n", "")


RECIPE = """\
name: triage
owner: support
task:
  columns: {text: body}
  answer: {squad: {column: team}}
  primary: squad
  prompt: triage/1
prepare: {source: {kind: files, path: /tickets.csv}}
train: {trainer: dummy, base: dummy}
evaluate:
  sets: [{name: gold, source: {kind: files, path: /gold.csv}, columns: {text: body}}]
"""


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe whose field was renamed after its champion was trained."""
    (tmp_path / "prompts" / "triage").mkdir(parents=True)
    (tmp_path / "prompts" / "triage" / "1.yaml").write_text("messages: [{role: user, content: '{{ text }}'}]")
    monkeypatch.setenv("NIGHTLOOM_PROMPTS_DIR", str(tmp_path / "prompts"))
    file = tmp_path / "recipes" / "triage.yaml"
    file.write_text(RECIPE)
    return file


def test_check_reports_a_drifted_champion(ask: Callable[..., Any], night: PastNight, recipe: Path) -> None:
    document = ask("recipe", "check", str(recipe))
    assert document["valid"]
    assert document["notes"] == [
        f"champion {night.adapter.id[:12]} answers team as JSON, but the recipe asks for squad as JSON; if the next "
        f"night does not replace it, `nightloom model promote ADAPTER triage --reason TEXT` does"
    ]
    recipe.write_text(RECIPE.replace("squad", "team"))
    assert ask("recipe", "check", str(recipe))["notes"] == []


def test_check_needs_no_installation(command: Command, recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = recipe.parent / "none" / "registry.db"
    monkeypatch.setenv("NIGHTLOOM_REGISTRY_URL", f"sqlite:///{registry}")
    get_settings.cache_clear()
    code, out, err = command("recipe", "check", str(recipe))
    assert (code, out.splitlines()[0], err) == (0, f"{recipe} is valid", "")
    assert not registry.parent.exists()


def test_rollback_reports_a_drifted_champion(
    command: Command, night: PastNight, store: ObjectStore, recipe: Path
) -> None:
    second = night.keep(
        Adapter(
            content=AdapterContent(base="a" * 64, method="lora", files=()),
            provenance=AdapterProvenance(blueprint=night.blueprint.id, trial=0),
        )
    )
    night.promote(second.id, night.adapter.id, "f" * 64)
    code, out, _ = command("model", "rollback", "triage", "--reason", "answers in French")
    assert code == 0
    assert out.splitlines()[1] == (
        f"note: champion {night.adapter.id[:12]} answers team as JSON, but the recipe asks for squad as JSON; it "
        f"answers so until another one is promoted"
    )
