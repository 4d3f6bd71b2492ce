"""A champion from elsewhere: it is compared, served and replaced like any other, and kept when garbage is collected."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from nightloom.artifacts.models import Adapter, Import
from nightloom.artifacts.predictions import PredictionPlan, Predictions
from nightloom.artifacts.results import Scores, Verdict
from nightloom.cli.main import main
from nightloom.core.nights import utc_now
from nightloom.nightly.chain import run_night, run_stage
from nightloom.registry.database import open_database
from nightloom.registry.refs import read_log_tail, read_ref
from nightloom.registry.store import open_store
from nightloom.snapshots.garbage import collect_garbage

from .conftest import PointSettings, back, install

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore:.*tie_word_embeddings.*", "ignore:.*save_embedding_layers.*"),
]

Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small base model, and adapters on it as peft saves them; the last one cannot be merged."""
    import torch
    from nightloom.base_models.loading import load_model
    from nightloom.base_models.quiet import ignore_v6_deprecations
    from nightloom.base_models.starter import StarterSettings, pretrain_starter
    from peft import LoraConfig, get_peft_model

    torch.set_num_threads(1)
    made = tmp_path_factory.mktemp("models")
    settings = StarterSettings(
        vocabulary=300, hidden=32, layers=1, heads=2, inner=64, context=256, steps=3, rows=2, row_tokens=32
    )
    pretrain_starter(settings, made / "base", report=lambda line: None)
    for name, modules in {"first": "all-linear", "second": "all-linear", "tied": ["lm_head"]}.items():
        with ignore_v6_deprecations():
            config = LoraConfig(r=4, target_modules=modules, task_type="CAUSAL_LM", init_lora_weights=False)
            get_peft_model(load_model(made / "base"), config).save_pretrained(made / name)
    return made


@pytest.fixture(scope="module")
def champion(
    point_settings: PointSettings,
    tmp_path_factory: pytest.TempPathFactory,
    folders: Path,
    children_in_this_process: None,
) -> Iterator[str]:
    """An installation after its first night, whose champion was imported before.

    Meanwhile the recipe allows longer answers, and has another prompt.
    """
    with install(point_settings, tmp_path_factory.mktemp("imported")) as made:
        made.change_recipe("linear_classifier: false", "linear_classifier: false\n  max_new_tokens: 2")
        command = ["model", "import", str(folders / "first"), "triage", "--base", str(folders / "base")]
        assert main([*command, "--champion", "--reason", "it served until now"]) == 0
        imported = read_ref(open_database(), "triage", "champion")
        assert imported is not None
        made.change_recipe("max_new_tokens: 2", "max_new_tokens: 16")
        made.change_recipe("prompt: triage/1", "prompt: triage/2")
        prompt = "messages: [{role: user, content: 'Which team? {{ text }}'}]"
        (made.folder / "prompts" / "triage" / "2.yaml").write_text(prompt, encoding="utf-8")
        run_night("triage", None, lambda *_: None)
        yield imported


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """Return exit code and document of a command."""

    def ask(*arguments: str) -> tuple[int, Any]:
        code = main([*arguments, "--json"])
        return code, json.loads(capsys.readouterr().out)

    return ask


def test_night_replaces_imported_champion(champion: str) -> None:
    moves = [move for move in read_log_tail(open_database(), "triage") if move.name == "champion"]
    assert (moves[0].new, moves[0].why) == (champion, "it served until now")
    verdict = open_store().load(Verdict, str(moves[1].cites)).content
    assert (verdict.champion, verdict.finding, verdict.promote) == (champion, "BETTER", True)
    assert [(one.against, one.n) for one in verdict.comparisons] == [("champion", 60), ("baseline", 60)]


def test_imported_champion_has_common_token_limit(champion: str) -> None:
    store = open_store()
    moves = read_log_tail(open_database(), "triage", "champion")
    scores = store.load(Verdict, str(moves[1].cites)).content.scores
    keys = {one.role: store.load(Scores, one.scores).key for one in scores}
    assert {role: key.max_new_tokens for role, key in keys.items()} == {"baseline": 16, "candidate": 16, "champion": 16}
    assert keys["champion"].task == store.load(Import, str(moves[0].cites)).content.task
    assert keys["champion"].task.prompt != keys["candidate"].task.prompt == keys["baseline"].task.prompt


def test_imported_champion_shows_its_origin(champion: str, ask: Ask) -> None:
    _, document = ask("model", "show", champion)
    assert (document["provenance"]["source"], document["provenance"]["blueprint"]) == ("first", None)
    assert (document["training"], document["verdicts"]) == (None, [])
    origins = {
        one["id"]: (one["source"], one["blueprint"] is None) for one in ask("model", "list", "triage")[1]["models"]
    }
    assert origins[champion] == ("first", True)
    assert list(origins.values()).count((None, False)) == 1


def test_restored_import_predicts_again(champion: str, ask: Ask) -> None:
    candidate = read_ref(open_database(), "triage", "champion")
    assert ask("model", "rollback", "triage", "--reason", "answers are late")[1]["champion"] == champion
    outcome = run_stage("triage", back(0), "predict", lambda *_: None)
    predictions = open_store().load(Predictions, str(outcome.manifest)).content
    plan = open_store().load(PredictionPlan, predictions.plan).content
    assert (plan.model.adapter, predictions.rows) == (champion, 15)
    assert plan.model.base == open_store().load(Adapter, champion).content.base
    (first, *_, last) = read_log_tail(open_database(), "triage", "champion")
    assert (first.cites, plan.task) == (last.cites, open_store().load(Import, str(last.cites)).content.task)
    code, done = ask("model", "promote", str(candidate), "triage", "--reason", "late is better than wrong")
    assert (code, done["moved"]) == (0, True)
    moves = read_log_tail(open_database(), "triage", "champion")
    verdict = str(moves[1].cites)
    assert done["message"] == f"{str(candidate)[:12]} is now the champion of triage, by verdict {verdict[:12]}"
    assert [move.cites for move in moves] == [moves[0].cites, verdict, moves[0].cites, verdict]
    assert moves[-1].why == "late is better than wrong"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("promote", "{champion}", "triage", "--reason", "x"), "is for base model"),
        (("import", "{second}", "triage", "--champion", "--reason", "x"), "triage already has champion"),
        (("import", "{second}", "triage", "--champion"), "--champion needs a --reason"),
        (("import", "{tied}", "triage", "--base", "{base}"), "it would not be served as it was trained"),
        (("export", "{candidate}", "{second}"), "is from the dummy trainer and has no weights"),
    ],
    ids=["another base model", "a second champion", "no reason", "another model when merged", "a dummy"],
)
def test_impossible_moves_are_refused(
    champion: str, folders: Path, ask: Ask, arguments: tuple[str, ...], message: str
) -> None:
    names = {
        "champion": champion,
        **{name: folders / name for name in ("base", "second", "tied")},
        "candidate": read_ref(open_database(), "triage", "champion"),
    }
    code, document = ask("model", *(one.format(**names) for one in arguments))
    assert (code, message in document["error"]["message"]) == (2, True)


def test_garbage_collection_keeps_imports(champion: str, folders: Path, ask: Ask) -> None:
    code, imported = ask("model", "import", str(folders / "second"), "triage", "--base", str(folders / "base"))
    assert code == 0
    decisions = collect_garbage(open_store(), open_database(), now=utc_now() + timedelta(days=3), dry_run=True)
    actions = {one.name.digest: one.action for one in decisions}
    adapter = open_store().load(Adapter, imported["adapter"])
    for needed in (champion, adapter.id, adapter.content.base, *(file.sha256 for file in adapter.content.files)):
        assert actions[needed] == "kept"


def test_row_is_erased_next_to_import(champion: str, ask: Ask) -> None:
    code, erased = ask("row", "erase", "triage", "1-0", "--reason", "she asked for it", "--yes")
    assert code == 0
    assert champion not in erased["adapters"]
    assert len(erased["adapters"]) == 1
