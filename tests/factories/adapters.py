"""An encoded snapshot, and adapters on a tiny base model, with random weights instead of training."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from nightloom.artifacts.blueprints import Blueprint, BlueprintProvenance, BlueprintSpec, EvalSetUse, TrialPlan
from nightloom.artifacts.data import Snapshot, SnapshotContent, SnapshotFile, SnapshotProvenance
from nightloom.artifacts.folders import put_folder
from nightloom.artifacts.frames import EXAMPLES, put_frame
from nightloom.artifacts.leaves import rows_root
from nightloom.artifacts.models import (
    Adapter,
    AdapterContent,
    AdapterProvenance,
    BaseModelContent,
    BaseModelManifest,
    BaseModelProvenance,
    TaskSpec,
)
from nightloom.artifacts.prompts import Prompt, PromptContent, PromptMessage, PromptProvenance
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore
from nightloom.training.sft import _save

MakeAdapter = Callable[..., Adapter]

TEXTS = [
    "the invoice is wrong",
    "my password is lost",
    "where is my parcel",
    "I was charged twice",
    "it does not start",
]


@pytest.fixture(autouse=True)
def _own_var_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLOOM_VAR_DIR", str(tmp_path / "var"))
    get_settings.cache_clear()


@pytest.fixture
def one_thread() -> Iterator[None]:
    """A model this small is fastest on one thread: on a busy machine, threads wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def base(store: ObjectStore, tiny_model: Path) -> BaseModelManifest:
    """The tiny model, in the store."""
    return store.publish(
        BaseModelManifest(
            content=BaseModelContent(files=put_folder(store, tiny_model)),
            provenance=BaseModelProvenance(source="tiny", license="apache-2.0"),
        )
    )


@pytest.fixture
def blueprint(store: ObjectStore, base: BaseModelManifest) -> Blueprint:
    """One trial on forty rows."""
    prompt = PromptContent(messages=(PromptMessage(role="user", content="Team? {{ text }}"),))
    identity = BlueprintSpec(
        recipe="triage",
        snapshot=publish_snapshot(store),
        base=base.id,
        task=TaskSpec(
            prompt=store.publish(Prompt(content=prompt, provenance=PromptProvenance(name="triage/1"))).id,
            output="json",
            answer={"team": ("billing", "login")},
            field_order=("team",),
        ),
        primary="team",
        eval_sets=(EvalSetUse(name="gold", evalset="e" * 64, items=400, minimum_detectable_effect=0.04),),
        max_new_tokens=8,
        trials=(TrialPlan(trainer="trl", method="lora", lora={"r": 4}, settings={}, seed=20),),
        promote_on="better",
        margin=0.02,
        confidence=0.95,
        code={},
        packages={},
    )
    provenance = BlueprintProvenance(night="2026-11-23", packages={}, python="3.11", machine="x86_64")
    return store.publish(Blueprint(content=identity, provenance=provenance))


def publish_snapshot(store: ObjectStore) -> str:
    """Publish forty rows in three shards; the last four are held out."""
    rows = [
        (f"{n:03}", f"c{n}", "train" if n < 36 else "test", f"{TEXTS[n % 5]} {n}", '{"team":"login"}', None, None)
        for n in range(40)
    ]
    frame = pl.DataFrame(rows, schema=EXAMPLES, orient="row")
    files = tuple(
        SnapshotFile(sha256=put_frame(store, shard, EXAMPLES), rows=len(shard), first_id="000", last_id="039")
        for shard in frame.iter_slices(15)
    )
    content = SnapshotContent(rows_root=rows_root(frame), columns=tuple(EXAMPLES), splits={"train": 36, "test": 4})
    provenance = SnapshotProvenance(files=files, recipe="triage", night="2026-11-23", parent=None)
    return store.publish(Snapshot(content=content, provenance=provenance)).id


@pytest.fixture
def make_adapter(store: ObjectStore, tiny_model: Path, blueprint: Blueprint, tmp_path: Path) -> MakeAdapter:
    """Publishes an adapter with random weights, saved as by training."""

    def make(size: float = 0.3, method: str = "lora", dtype: str = "auto", **lora: Any) -> Adapter:
        folder = tmp_path / f"adapter-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        write_adapter(tiny_model, folder, size, method, dtype, **lora)
        return store.publish(
            Adapter(
                content=AdapterContent(base=blueprint.content.base, method=method, files=put_folder(store, folder)),
                provenance=AdapterProvenance(blueprint=blueprint.id, trial=0),
            )
        )

    return make


def write_adapter(base: Path, folder: Path, size: float, method: str, dtype: str = "auto", **lora: Any) -> None:
    """Write random weights into a folder; with a size of 0 they change nothing."""
    import torch
    from nightloom.base_models.loading import load_model
    from nightloom.base_models.quiet import ignore_v6_deprecations
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(7)
    model = load_model(base, dtype=dtype)
    if method == "lora":
        given = {"r": 4, "target_modules": "all-linear", "task_type": "CAUSAL_LM", **lora}
        with ignore_v6_deprecations():
            model = get_peft_model(model, LoraConfig(**given))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            # These start at zero, or as a copy of the base model's.
            if method == "full" or any(part in name for part in ("lora_B", "lora_embedding_A", "modules_to_save")):
                weight.add_(torch.randn_like(weight) * size)
    _save(model, folder)
