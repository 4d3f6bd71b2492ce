"""Export and import: transformers and peft read exports, and imports are not trusted."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from nightloom.artifacts.blueprints import Blueprint
from nightloom.artifacts.folders import put_folder
from nightloom.artifacts.models import Adapter, BaseModelContent, BaseModelManifest, BaseModelProvenance, ModelRef
from nightloom.artifacts.results import (
    Comparison,
    Metric,
    ModelScores,
    Parity,
    ParityCheck,
    Verdict,
    VerdictContent,
)
from nightloom.artifacts.training import LossPoint, Trial, TrialResult, identify_trial
from nightloom.base_models.quiet import ignore_v6_deprecations
from nightloom.core.errors import InputError
from nightloom.core.store import ObjectStore
from nightloom.engines.opening import open_engine
from nightloom.evaluation.scorers import EXACT_MATCH
from nightloom.exchange.cards import write_card
from nightloom.exchange.exporting import Exported, export_model
from nightloom.exchange.lineage import read_lineage
from nightloom.promotion.champions import list_imports
from nightloom.registry.database import Database
from nightloom.rendering.tokenizer import load_tokenizer

from tests.factories.adapters import MakeAdapter, write_adapter
from tests.factories.asking import ask

from .conftest import Adopt, Export, change_config, change_weights

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("one_thread")]

CHATS = [[{"role": "user", "content": text}] for text in ("Team? the invoice is wrong", "Team? a", "Team? my login")]


@pytest.fixture
def judged(store: ObjectStore, registry: Database, blueprint: Blueprint, make_adapter: MakeAdapter) -> Adapter:
    """A trained adapter with parity checks and the verdict BETTER."""
    adapter = make_adapter()
    model = ModelRef(base=adapter.content.base, adapter=adapter.id)
    metric = Metric(name="team", scorer="exact_match/1", scale=EXACT_MATCH, value=0.9125, low=0.88, high=0.936, n=400)
    check = ParityCheck(name="ids", passed=True, value=0, tolerance=0, n=32, message="the ids are the same")
    parity = Parity(
        key=Parity.Key(
            model=model,
            task=blueprint.content.task,
            max_new_tokens=8,
            snapshot=blueprint.content.snapshot,
            code="",
            packages={},
        ),
        result=Parity.Result(checks=(check,), seconds=1),
    )
    verdict = Verdict(
        content=VerdictContent(
            recipe="triage",
            night="2026-11-23",
            blueprint=blueprint.id,
            candidate=adapter.id,
            champion=None,
            baseline=adapter.content.base,
            parity=parity.id,
            scores=(ModelScores(role="candidate", eval_set="gold", scores="5" * 64, metrics=(metric,)),),
            comparisons=(
                Comparison(
                    against="baseline",
                    eval_set="gold",
                    metric="team",
                    scorer="exact_match/1",
                    scale=EXACT_MATCH,
                    n=400,
                    clusters=400,
                    only_candidate=300,
                    only_other=2,
                    difference=0.745,
                    low=0.7,
                    high=0.78,
                    p_value=0.001,
                    margin=0.02,
                    finding="BETTER",
                ),
            ),
            deciding=0,
            finding="BETTER",
            gates=(),
            promote=True,
            reason="team 0.912 [0.880, 0.936] n=400 against baseline: BETTER",
        )
    )
    trial = Trial(
        key=identify_trial(blueprint.content, 0),
        result=TrialResult(
            adapter=adapter.id,
            steps=12,
            kept_step=12,
            examples=36,
            tokens=900,
            label_tokens=300,
            left_out=0,
            final_loss=0.25,
            seconds=3.0,
            tokens_per_second=900.0,
            curve=(LossPoint(step=12, loss=0.25, learning_rate=0.001),),
        ),
    )
    for manifest in (parity, verdict, trial):
        store.publish(manifest)
    return adapter


def ask_engine(store: ObjectStore, adapter: Adapter) -> list[str]:
    engine = open_engine(store, ModelRef(base=adapter.content.base, adapter=adapter.id))
    return [answer.text for answer in ask(engine, CHATS)]


def ask_plainly(folder: Path, base: Path | None = None) -> list[str]:
    """Return answers by transformers and peft alone."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(base or folder)
    if base:
        with ignore_v6_deprecations():
            model = PeftModel.from_pretrained(model, folder)
    answers = []
    for chat in CHATS:
        shown = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
        written = model.generate(**shown, max_new_tokens=8, do_sample=False)
        answers.append(tokenizer.decode(written[0, shown["input_ids"].shape[1] :], skip_special_tokens=True))
    return answers


def test_exported_adapter_answers_with_base_model(
    store: ObjectStore, make_adapter: MakeAdapter, export: Export, tiny_model: Path
) -> None:
    done = export(adapter := make_adapter())
    assert ask_plainly(done.folder, tiny_model) == ask_engine(store, adapter)
    config = json.loads((done.folder / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["base_model_name_or_path"] == "tiny"
    template = load_tokenizer(done.folder).get_chat_template()
    assert template == load_tokenizer(tiny_model).get_chat_template()


@pytest.mark.parametrize(
    ("lora", "tied"),
    [
        ({}, True),
        ({"modules_to_save": ["embed_tokens"], "ensure_weight_tying": True}, True),
        ({"modules_to_save": ["embed_tokens"]}, False),
    ],
    ids=["matrices", "embeddings and output", "embeddings alone"],
)
@pytest.mark.filterwarnings("ignore:.*tie_word_embeddings.*")
def test_merged_model_answers_alone(
    store: ObjectStore, make_adapter: MakeAdapter, export: Export, lora: dict[str, Any], tied: bool
) -> None:
    done = export(adapter := make_adapter(**lora), merged=True)
    assert ask_plainly(done.folder) == ask_engine(store, adapter)
    assert json.loads((done.folder / "config.json").read_text(encoding="utf-8"))["tie_word_embeddings"] is tied
    assert {"generation_config.json", "README.md", "nightloom.json"} < set(done.files)


def test_full_model_answers_alone(store: ObjectStore, make_adapter: MakeAdapter, export: Export) -> None:
    done = export(adapter := make_adapter(method="full"))
    assert ask_plainly(done.folder) == ask_engine(store, adapter)


def test_exported_template_has_fixed_date(
    store: ObjectStore, make_adapter: MakeAdapter, registry: Database, tiny_model: Path, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    changed = Path(shutil.copytree(tiny_model, tmp_path / "dated"))
    template = "{{ strftime_now('%d %b %Y') }}" + (changed / "chat_template.jinja").read_text(encoding="utf-8")
    (changed / "chat_template.jinja").write_text(template, encoding="utf-8")
    base = store.publish(
        BaseModelManifest(
            content=BaseModelContent(files=put_folder(store, changed)), provenance=BaseModelProvenance(source="dated")
        )
    )
    adapter = make_adapter()
    moved = adapter.model_copy(update={"content": adapter.content.model_copy(update={"base": base.id})})
    done = export_model(store, registry, store.publish(moved).id, "triage", tmp_path / "out")
    shown = AutoTokenizer.from_pretrained(done.folder).apply_chat_template(CHATS[0], tokenize=False)
    assert shown == load_tokenizer(changed).apply_chat_template(CHATS[0], tokenize=False)
    assert shown.startswith("26 Jul 2024")


def test_repeated_export_is_equal(make_adapter: MakeAdapter, export: Export, judged: Adapter) -> None:
    def read(done: Exported) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in done.folder.iterdir()}

    first = read(export(judged))
    assert read(export(judged)) == first
    with pytest.raises(InputError, match="out has other contents; name a new folder, or add --force"):
        export(other := make_adapter(size=0.2, r=2))
    done = export(other, merged=True, force=True)
    assert not {"adapter_model.safetensors", "adapter_config.json"} & read(done).keys()
    assert read(export(judged, force=True)) == first


def test_card_describes_model(judged: Adapter, export: Export) -> None:
    folder = export(judged).folder
    card = ModelCard.load(folder / "README.md")
    assert (card.data.library_name, card.data.license, card.data.pipeline_tag) == (
        "peft",
        "apache-2.0",
        "text-generation",
    )
    (result,) = card.data.eval_results
    assert (result.dataset_name, result.metric_name) == ("gold", "team 0.912 [0.880, 0.936] n=400")
    for text in (
        "4 test, 36 train rows",
        "trl, seed 20: 12 steps",
        "lora.r: `4`",
        "| gold | team | 0.912 [0.880, 0.936] n=400 |",
        "**BETTER**. team 0.912 [0.880, 0.936] n=400 against baseline: BETTER.",
        "ids passed: the ids are the same",
        "--enable-lora --max-lora-rank 8 --lora-modules tuned=.",
        "a difference below 0.040 may go undetected",
    ):
        assert text in card.content
    assert "invoice" not in "".join(path.read_text(errors="replace") for path in folder.glob("*.[jR][sE]*"))


def test_card_passes_template_arguments(store: ObjectStore, registry: Database, judged: Adapter) -> None:
    lineage = read_lineage(store, registry, judged, "triage")
    assert lineage.blueprint is not None
    spec = lineage.blueprint.content
    task = spec.task.model_copy(update={"chat_template_kwargs": {"enable_thinking": False}})
    changed = lineage.blueprint.model_copy(update={"content": spec.model_copy(update={"task": task})})
    card = write_card(replace(lineage, blueprint=changed), None, merged=True, lora={})
    assert "return_dict=True, **{'enable_thinking': False})" in card
    assert '`chat_template_kwargs` {"enable_thinking": false} in requests' in card


def test_card_requires_merge_for_vllm(store: ObjectStore, registry: Database, make_adapter: MakeAdapter) -> None:
    lora = {"r": 4, "use_dora": True, "alpha_pattern": {"q_proj": 2}, "rank_pattern": {}}
    card = write_card(read_lineage(store, registry, make_adapter(), "triage"), None, merged=False, lora=lora)
    assert (
        "vLLM cannot serve an adapter with `alpha_pattern`, `use_dora` without merging. Export with `--merged`" in card
    )
    assert "--enable-lora" not in card


def test_import_restores_verdict_and_lineage(
    store: ObjectStore, registry: Database, judged: Adapter, export: Export, adopt: Adopt, s3: Any
) -> None:
    folder = export(judged).folder
    kept = {key for key in s3.objects if not key.startswith("prefix/manifests/")}
    gone = [key for key in s3.objects if "/manifests/" in key and "/base/" not in key and "/prompt/" not in key]
    for key in gone:
        del s3.objects[key]
    adapter, notes = adopt(folder)
    assert (adapter.id, notes) == (judged.id, [])
    assert (adapter.provenance.blueprint, adapter.provenance.source) == (None, "out")
    lineage = read_lineage(store, registry, adapter, "triage")
    assert [one.content.finding for one in lineage.verdicts] == ["BETTER"]
    assert lineage.trial is not None
    assert lineage.trial.result.final_loss == 0.25
    # No night reuses manifests of another installation.
    kinds = {key.split("/")[2] for key in s3.objects if "/manifests/" in key}
    assert kinds == {"adapter", "base", "import", "prompt", "parity"}
    (proof,) = [key for key in s3.objects if "/manifests/parity/" in key]
    assert store.load(Parity, Path(proof).stem).key.snapshot is None  # made here
    assert len(kept) < len(s3.objects)


def test_imported_adapter_has_recipe_task(
    store: ObjectStore,
    registry: Database,
    foreign: Path,
    adopt: Adopt,
    blueprint: Blueprint,
    make_adapter: MakeAdapter,
) -> None:
    adapter, notes = adopt(foreign)
    assert adapter.id == make_adapter().id  # equal weights have one id, however they were saved
    (imported,) = list_imports(store, registry, "triage", adapter.id)
    assert (imported.content.task, imported.content.lineage) == (blueprint.content.task, None)
    assert (adapter.provenance.source, notes) == ("foreign", [])


def test_lineage_belongs_to_one_recipe(
    store: ObjectStore, registry: Database, judged: Adapter, foreign: Path, adopt: Adopt
) -> None:
    adapter, _ = adopt(foreign, name="squads")
    assert adapter.id == judged.id
    ours, theirs = (read_lineage(store, registry, adapter, recipe) for recipe in ("triage", "squads"))
    assert (len(ours.verdicts), ours.imported, ours.trial is None) == (1, None, False)
    assert (theirs.verdicts, theirs.blueprint, theirs.trial) == ((), None, None)
    card = write_card(theirs, None, merged=False, lora={"r": 4})
    assert f"# squads-{adapter.id[:12]}" in card
    assert "it answers `team` as a JSON object." in card
    assert "- imported from: `foreign`" in card
    assert "It has no verdict" in card


def test_other_chat_template_is_warned_about(foreign: Path, adopt: Adopt) -> None:
    (foreign / "chat_template.jinja").write_text("{{ messages[0].content }}", encoding="utf-8")
    assert adopt(foreign)[1] == [
        "its chat template differs from the base model's, which will be used; check its scores"
    ]


def test_full_model_is_imported(
    store: ObjectStore, make_adapter: MakeAdapter, adopt: Adopt, tiny_model: Path, tmp_path: Path
) -> None:
    (folder := tmp_path / "whole").mkdir()
    write_adapter(tiny_model, folder, 0.3, "full")
    assert adopt(folder)[0].id == make_adapter(method="full").id
    with pytest.raises(InputError, match="its weights equal the base model's; there is nothing to import"):
        adopt(tiny_model)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def only_pickles(folder: Path) -> None:
    (folder / "adapter_model.safetensors").unlink()
    (folder / "adapter_model.bin").write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")


def declare_much(folder: Path) -> None:
    header = json.dumps({"w": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}).encode()
    (folder / "adapter_model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)


def twice(folder: Path) -> None:
    path = folder / "adapter_config.json"
    path.write_text('{"r": 4, ' + path.read_text(encoding="utf-8").lstrip()[1:], encoding="utf-8")


HOSTILE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no folder": (shutil.rmtree, "foreign is not a folder"),
    "nothing in it": (lambda f: (f / "adapter_config.json").unlink(), "no adapter_config.json and no config.json"),
    "a pickle": (only_pickles, "has adapter_model.bin instead of adapter_model.safetensors; pickles are never read"),
    "cut off": (lambda f: truncate(f / "adapter_model.safetensors"), "is not a valid safetensors file"),
    "a huge tensor": (declare_much, "is not a valid safetensors file"),
    "a huge rank": (lambda f: change_config(f, r=10**9), "has shape 4 x 64, but .* need 1000000000 x 64"),
    "a huge rank somewhere": (lambda f: change_config(f, rank_pattern={"v_proj": 10**9}), "need 1000000000 x 32"),
    "a rank beyond numbers": (lambda f: change_config(f, r=10**30), "cannot be used with this base model"),
    "a rank in words": (lambda f: change_config(f, r="four"), "cannot be used with this base model"),
    "a module to import": (lambda f: change_config(f, megatron_config={"a": 1}), "sets megatron_config"),
    "layers without end": (lambda f: change_config(f, layer_replication=[[0, 10**9]]), "sets layer_replication"),
    "another base model": (
        lambda f: change_config(f, init_lora_weights="pissa_niter_4"),
        "which makes peft change the base model",
    ),
    "a pattern without end": (lambda f: change_config(f, target_modules=r"(\w+\.?)+X"), "may never finish matching"),
    "patterns without end": (lambda f: change_config(f, alpha_pattern={".*" * 9: 2}), "may never finish matching"),
    "another method": (lambda f: change_config(f, peft_type="PROMPT_TUNING"), "is of 'PROMPT_TUNING for CAUSAL_LM'"),
    "modules that are not there": (lambda f: change_config(f, target_modules=["query"]), "Target modules"),
    "a key twice": (twice, "a key is repeated"),
    "not a number": (lambda f: change_config(f, lora_alpha=float("nan")), "NaN is not JSON"),
    "weights of no effect": (lambda f: change_weights(f, lambda w: w * 0), "changes no logit of its base model"),
    "weights that are not finite": (lambda f: change_weights(f, lambda w: w / 0), "values that are not finite"),
    "weights of another size": (lambda f: change_weights(f, lambda w: w.repeat(1, 2)), "does not fit its base model"),
}


@pytest.mark.parametrize(("harm", "message"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_folder_is_refused(foreign: Path, adopt: Adopt, s3: Any, harm: Any, message: str) -> None:
    harm(foreign)
    with pytest.raises(InputError, match=message) as caught:
        adopt(foreign)
    assert "/var/scratch/" not in str(caught.value)
    assert not any("/manifests/adapter/" in key for key in s3.objects)
    assert not Path("ran").exists()


def rewrite(document: dict[str, Any], kind: str, change: Callable[[dict[str, Any]], Any]) -> None:
    for one in document["manifests"]:
        if one["kind"] == kind:
            change(one)


UNTRUSTED: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "a verdict that was touched up": (
        lambda d: rewrite(d, "verdict", lambda m: m["content"].update(finding="NOT_WORSE")),
        "verdict manifest '[0-9a-f]{12}' does not match its id",
    ),
    "a path out of the folder": (
        lambda d: rewrite(d, "adapter", lambda m: m["content"]["files"][0].update(path="../../x.json")),
        "adapter manifest '[0-9a-f]{12}' does not match its id",
    ),
    "a manifest that was erased": (
        lambda d: d["manifests"].remove(next(m for m in d["manifests"] if m["kind"] == "blueprint")),
        "the manifest of blueprint [0-9a-f]{12} is missing",
    ),
    "no adapter": (lambda d: d.update(adapter="a" * 64), "lacks the manifest of the adapter that it names"),
    "a manifest of nothing": (lambda d: d.update(manifests=[None]), "cannot be trusted"),
    "another kind": (
        lambda d: rewrite(d, "trial", lambda m: m.update(kind="report")),
        "unexpected manifest of kind 'report'",
    ),
    "a trial of another adapter": (
        lambda d: rewrite(d, "trial", lambda m: m["result"].update(adapter="a" * 64)),
        "trial [0-9a-f]{12} made another adapter",
    ),
    "no task": (
        lambda d: d.update(manifests=[m for m in d["manifests"] if m["kind"] in ("adapter", "base", "prompt")]),
        "the task of the adapter is missing",
    ),
    "another version": (lambda d: d.update(schema_version=2), "not a document of version 1"),
}


@pytest.mark.parametrize(("harm", "message"), UNTRUSTED.values(), ids=UNTRUSTED)
def test_untrusted_manifests_are_refused(
    judged: Adapter, export: Export, adopt: Adopt, harm: Any, message: str
) -> None:
    path = export(judged).folder / "nightloom.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    harm(document)
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        adopt(path.parent)


def test_verdict_applies_to_its_weights(
    store: ObjectStore, registry: Database, judged: Adapter, export: Export, adopt: Adopt
) -> None:
    folder = export(judged).folder
    change_weights(folder, lambda weight: weight * 2)
    with pytest.raises(InputError, match=r"adapter_model\.safetensors differs from nightloom\.json"):
        adopt(folder)
    (folder / "nightloom.json").unlink()
    adapter, _ = adopt(folder)
    assert [one.content.lineage for one in list_imports(store, registry, "triage", adapter.id)] == [None]


def test_merged_export_is_not_imported_as_adapter(judged: Adapter, export: Export, adopt: Adopt) -> None:
    with pytest.raises(InputError, match="is a merged export, but its verdict is about the adapter alone"):
        adopt(export(judged, merged=True).folder)


def test_adapter_of_other_base_is_refused(judged: Adapter, export: Export, adopt: Adopt, foreign: Path) -> None:
    folder = export(judged).folder
    with pytest.raises(InputError, match=r"was trained on base model [0-9a-f]{12} \('tiny' at its source\)"):
        adopt(folder, base="d" * 64)


def test_prompt_with_code_is_refused() -> None:
    from nightloom.artifacts.prompts import Prompt, PromptContent, PromptMessage, PromptProvenance
    from nightloom.exchange.importing import _refuse_program

    def make(content: str) -> Prompt:
        messages = (PromptMessage(role="user", content=content),)
        return Prompt(content=PromptContent(messages=messages), provenance=PromptProvenance(name="a/1"))

    _refuse_program(make("Which team? {{ text }} {{text}}"))
    for content in ("{{ 'a' * 10**9 }}", "{% for i in range(9) %}{{ text }}{% endfor %}"):
        with pytest.raises(InputError, match="has template code besides the text"):
            _refuse_program(make(content))
