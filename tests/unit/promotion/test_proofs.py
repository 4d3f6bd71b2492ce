"""Proofs: no hand makes a champion of what is served as another model."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from nightloom.artifacts import fingerprints
from nightloom.artifacts.blueprints import Blueprint
from nightloom.artifacts.models import Adapter, Import, ModelRef, TaskSpec
from nightloom.artifacts.results import Parity, ParityCheck, Verdict
from nightloom.core.errors import InputError
from nightloom.core.nights import utc_now
from nightloom.core.store import ObjectStore
from nightloom.processes.packages import worker_packages
from nightloom.promotion import proofs
from nightloom.promotion.promote import promote_by_hand, roll_back_champion
from nightloom.promotion.proofs import refuse_mismatched, require_parity
from nightloom.registry.database import Database
from nightloom.registry.refs import move_ref, read_ref

from tests.factories.adapters import MakeAdapter
from tests.factories.manifests import make_verdict

pytestmark = [
    pytest.mark.torch,
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore:.*tie_word_embeddings.*", "ignore:.*save_embedding_layers.*"),
]

MONDAY = date(2026, 11, 23)
BY_HAND: dict[str, Any] = {"night": MONDAY, "who": "ada", "why": "complaints"}
TIED = {"target_modules": ["v_proj", "embed_tokens"]}
"""Settings of an adapter that the tiny model, whose output layer is tied to its embeddings, cannot be merged with."""

Counted = list[str]


@pytest.fixture
def proved(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Prove in this process, and return the adapters that were proved."""
    counted: Counted = []

    def in_child(function: Callable[..., str], *, environment: dict[str, str]) -> Callable[..., str]:
        assert environment == {"CUDA_VISIBLE_DEVICES": ""}  # no GPU is leased here

        def run(adapter_id: str, cited: str) -> str:
            counted.append(adapter_id)
            return function(adapter_id=adapter_id, cited=cited)

        return run

    monkeypatch.setattr(proofs, "in_child", in_child)
    monkeypatch.setattr(proofs, "open_store", lambda: store)
    return counted


@pytest.fixture
def cite(store: ObjectStore, blueprint: Blueprint) -> Callable[[Adapter], Import]:
    """Publish the import of an adapter, as if nothing had proved it."""

    def cite(adapter: Adapter) -> Import:
        content = Import.Content(recipe="triage", adapter=adapter.id, task=blueprint.content.task)
        return store.publish(Import(content=content, provenance=Import.Provenance(source="x", imported_at=utc_now())))

    return cite


def test_promotion_by_hand_is_proved_once(
    store: ObjectStore, registry: Database, make_adapter: MakeAdapter, cite: Any, proved: Counted
) -> None:
    adapter = make_adapter()
    assert promote_by_hand(store, registry, cite(adapter), **BY_HAND).moved
    assert read_ref(registry, "triage", "champion") == adapter.id
    require_parity(store, adapter.id, cite(adapter).id)
    assert proved == [adapter.id]


def test_promotion_of_another_model_is_refused(
    store: ObjectStore, registry: Database, make_adapter: MakeAdapter, cite: Any, proved: Counted
) -> None:
    with pytest.raises(
        InputError, match=r"the adapter changes embed_tokens, which the base model ties .*; promote another"
    ):
        promote_by_hand(store, registry, cite(make_adapter(**TIED)), **BY_HAND)
    assert read_ref(registry, "triage", "champion") is None


def test_rollback_to_another_model_is_refused(
    store: ObjectStore, registry: Database, make_adapter: MakeAdapter, cite: Any, proved: Counted
) -> None:
    earlier, present = make_adapter(**TIED), make_adapter()
    for old, new in ((None, earlier), (earlier.id, present)):
        named = {"recipe": "triage", "name": "champion", "expected": old, "value": new.id, "cites": cite(new).id}
        move_ref(registry, **named, **BY_HAND)
    with pytest.raises(InputError, match="failed its proof of parity"):
        roll_back_champion(store, registry, "triage", **BY_HAND)
    assert read_ref(registry, "triage", "champion") == present.id


@pytest.mark.parametrize(("code", "again"), [(None, 0), ("0" * 64, 1)], ids=["of this code", "of other code"])
def test_proof_of_a_night_counts_for_its_code(
    store: ObjectStore,
    blueprint: Blueprint,
    make_adapter: MakeAdapter,
    proved: Counted,
    code: str | None,
    again: int,
) -> None:
    adapter = make_adapter()
    parity = store.publish(make_parity(True, adapter=adapter.id, code=code or fingerprints.PARITY.code()))
    verdict = store.publish(make_verdict(blueprint=blueprint.id, candidate=adapter.id, parity=parity.id))
    require_parity(store, adapter.id, verdict.id)
    assert len(proved) == again


def test_failed_proof_of_a_night_is_final(
    store: ObjectStore, blueprint: Blueprint, make_adapter: MakeAdapter, proved: Counted
) -> None:
    adapter = make_adapter()
    parity = store.publish(make_parity(False, adapter=adapter.id, code="0" * 64))
    verdict: Verdict = store.publish(make_verdict(blueprint=blueprint.id, candidate=adapter.id, parity=parity.id))
    with pytest.raises(InputError, match=r"logits differ by 0\.4"):
        require_parity(store, adapter.id, verdict.id)
    assert proved == []


def make_parity(passed: bool, adapter: str = "a" * 64, code: str = "") -> Parity:
    check = ParityCheck(name="merge", passed=passed, value=0, tolerance=0, n=32, message="logits differ by 0.4")
    key = Parity.Key(
        model=ModelRef(base="b" * 64, adapter=adapter),
        task=TaskSpec(prompt="", output="json", answer={"team": None}, field_order=("team",)),
        max_new_tokens=8,
        snapshot="5" * 64,
        code=code,
        packages=fingerprints.PARITY.versions(worker_packages()),
    )
    return Parity(key=key, result=Parity.Result(checks=(check,), seconds=1))


def test_failed_proof_refuses_manual_promotion() -> None:
    refuse_mismatched("a" * 64, [])
    refuse_mismatched("a" * 64, [make_parity(False), make_parity(True)])
    with pytest.raises(InputError, match=r"a{12} failed its proof of parity: logits differ by 0\.4; promote another"):
        refuse_mismatched("a" * 64, [make_parity(True), make_parity(False)])
