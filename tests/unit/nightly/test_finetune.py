"""Steps of the finetune stage, each by itself, with an in-memory store."""

import logging
from datetime import date, timedelta
from pathlib import Path

import pytest
from nightloom.artifacts.blueprints import Blueprint
from nightloom.artifacts.folders import put_folder
from nightloom.artifacts.models import Adapter, AdapterContent, AdapterProvenance
from nightloom.artifacts.results import Verdict
from nightloom.core.errors import InputError
from nightloom.nightly import finetune
from nightloom.registry.night_lock import release_night_lock
from nightloom.registry.nights import read_outcome
from nightloom.registry.refs import move_ref, read_ref

from tests.factories.manifests import make_verdict
from tests.factories.nights import NIGHT, ROWS, PreparedNight

pytestmark = pytest.mark.usefixtures("prepared")


def publish_adapter_without_effect(prepared: PreparedNight, blueprint: Blueprint, base: Path) -> str:
    """Publish an adapter as peft begins it: its B matrices are zero."""
    from nightloom.base_models.loading import load_model
    from nightloom.base_models.quiet import ignore_v6_deprecations
    from peft import LoraConfig, get_peft_model

    with ignore_v6_deprecations():
        config = LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM")
        get_peft_model(load_model(base), config).save_pretrained(prepared.folder / "untrained")
    files = put_folder(prepared.store, prepared.folder / "untrained")
    content = AdapterContent(base=blueprint.content.base, method="lora", files=files)
    provenance = AdapterProvenance(blueprint=blueprint.id, trial=0)
    return prepared.store.publish(Adapter(content=content, provenance=provenance)).id


@pytest.mark.torch
def test_adapter_without_effect_is_not_promoted(prepared: PreparedNight, tiny_model: Path) -> None:
    prepared.change_recipe("base: dummy", f"base: {tiny_model}")
    prepared.change_recipe("linear_classifier: false", "linear_classifier: false\n  max_new_tokens: 20")
    night = NIGHT.isoformat()
    blueprint = prepared.store.load(Blueprint, str(finetune.compile_blueprint("triage", night)))
    candidate = publish_adapter_without_effect(prepared, blueprint, tiny_model)
    parity = finetune.prove_parity("triage", night, blueprint.id, candidate)
    verdict = finetune.compare_candidate("triage", night, blueprint.id, candidate, parity)
    decided = prepared.store.load(Verdict, str(verdict)).content
    assert (decided.candidate, decided.promote) == (candidate, False)
    assert decided.reason.endswith(
        "but the adapter changes no logit of its base model by more than 0.001 in 6 examples: 0 at most, so nothing is "
        "promoted"
    )


@pytest.mark.torch
def test_answers_beyond_every_limit_are_refused(prepared: PreparedNight, tiny_model: Path) -> None:
    prepared.change_recipe("base: dummy", f"base: {tiny_model}")
    prepared.change_recipe("linear_classifier: false", "linear_classifier: false\n  max_new_tokens: 9")
    with pytest.raises(InputError, match=r"6 of 6 right answers of gold are longer than evaluate.max_new_tokens .9."):
        finetune.compile_blueprint("triage", NIGHT.isoformat())


@pytest.mark.torch
def test_answers_beyond_a_limit_are_logged(
    prepared: PreparedNight, tiny_model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prepared.change_recipe("base: dummy", f"base: {tiny_model}")
    prepared.change_recipe(
        "evaluate:\n", "predict: {source: {kind: files, path: /open.csv}, max_new_tokens: 4}\nevaluate:\n"
    )
    with caplog.at_level(logging.WARNING, "nightloom"):
        finetune.compile_blueprint("triage", NIGHT.isoformat())
    assert [line for line in caplog.messages if "longer than predict.max_new_tokens (4)" in line]


def test_stored_blueprint_ignores_recipe_edits(prepared: PreparedNight) -> None:
    night = NIGHT.isoformat()
    blueprint = str(finetune.compile_blueprint("triage", night))
    prepared.recipe_file.write_text("name: [", encoding="utf-8")
    finetune.train_trial("triage", night, blueprint, 0)
    candidate = str(finetune.pick_candidate("triage", night, blueprint))
    verdict = str(finetune.compare_candidate("triage", night, blueprint, candidate, None))
    assert finetune.promote_candidate("triage", night, verdict) == verdict


def finetune_night(prepared: PreparedNight, night: date) -> Verdict:
    """Train, compare and promote as the night does."""
    name = night.isoformat()
    blueprint = str(finetune.compile_blueprint("triage", name))
    finetune.train_trial("triage", name, blueprint, 0)
    candidate = str(finetune.pick_candidate("triage", name, blueprint))
    verdict = str(finetune.compare_candidate("triage", name, blueprint, candidate, None))
    finetune.promote_candidate("triage", name, verdict)
    release_night_lock(prepared.registry, "triage", night)
    return prepared.store.load(Verdict, verdict)


def test_night_reports_a_champion_with_other_labels(prepared: PreparedNight) -> None:
    first = finetune_night(prepared, NIGHT).content
    assert (first.promote, "recipe" in first.reason) == (True, False)
    prepared.change_recipe("[billing, shipping]", "[billing, shipping, legal]")
    tomorrow = NIGHT + timedelta(days=1)
    prepared.prepare(tomorrow, [*ROWS, ("train", "you break the law", "legal")])
    second = finetune_night(prepared, tomorrow).content
    assert not second.promote
    assert second.reason.endswith(
        f"the champion never answers team with 'legal', which the recipe now allows; "
        f"`nightloom model promote {second.candidate[:12]} triage --reason TEXT` replaces it"
    )


def test_renamed_field_ends_in_a_new_champion(prepared: PreparedNight) -> None:
    finetune_night(prepared, NIGHT)
    fields = "{team: {column: team, one_of: [billing, shipping]}}\n  primary: team"
    prepared.change_recipe(fields, fields.replace("{team:", "{squad:").replace("primary: team", "primary: squad"))
    tomorrow = NIGHT + timedelta(days=1)
    prepared.prepare(tomorrow, ROWS, field="squad")
    decided = finetune_night(prepared, tomorrow).content
    assert (decided.finding, decided.promote) == ("BETTER", True)
    assert decided.reason.endswith(
        "the candidate becomes the champion; the champion before it answers team as JSON, but the recipe asks for "
        "squad as JSON"
    )
    assert read_ref(prepared.registry, "triage", "champion") == decided.candidate


def test_better_candidate_of_a_stale_comparison_is_refused(prepared: PreparedNight) -> None:
    verdict = prepared.store.publish(make_verdict(candidate="a" * 64, champion=None, night=str(NIGHT)))
    made = {"recipe": "triage", "name": "champion", "expected": None, "value": "e" * 64, "night": NIGHT}
    move_ref(prepared.registry, **made, who="ada", why="urgent", by_hand=True)
    finetune.promote_candidate("triage", NIGHT.isoformat(), verdict.id)
    outcome = read_outcome(prepared.registry, "triage", NIGHT, "finetune")
    assert outcome is not None
    assert (outcome.status, outcome.manifest) == ("refused", verdict.id)
    assert "`nightloom run triage --night 2026-11-23` compares again" in outcome.message
