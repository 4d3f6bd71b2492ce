"""Training of a blueprint compared with a script of TRL alone: the same base, rows, settings, seed and threads.

Workload: the starter, LoRA of rank 32, 400 steps of 32 examples over 2,400 tickets of the example's grammar. Whole
processes, from start to end: imports, encoding, training, saving; ours with the dataset check, checkpoints to SeaweedFS
on this machine, metrics to the registry, and the loss on the selection split at the end. Medians of alternating runs.

TRL's own loss scores the whole vocabulary for every token; `training_overhead` therefore gives the peer Nightloom's
cheaper loss, so that the rest is what Nightloom does besides training. `training_repeatable` trains one blueprint's
trial under two prefixes of the store, and counts the files whose sha256 differs.
"""

import json
import os
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
from nightloom.artifacts.blueprints import Blueprint, BlueprintProvenance, BlueprintSpec, TrialPlan
from nightloom.artifacts.data import Snapshot, SnapshotContent, SnapshotFile, SnapshotProvenance
from nightloom.artifacts.fingerprints import VERDICT
from nightloom.artifacts.folders import fetch_folder, put_folder
from nightloom.artifacts.frames import EXAMPLES, put_frame
from nightloom.artifacts.leaves import rows_root
from nightloom.artifacts.models import Adapter, BaseModelContent, BaseModelManifest, BaseModelProvenance, TaskSpec
from nightloom.artifacts.prompts import Prompt, PromptContent, PromptMessage, PromptProvenance
from nightloom.artifacts.training import Trial
from nightloom.base_models.freeze import run_freeze
from nightloom.core.digests import code_digest
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore, connect_store
from nightloom.embedded.lifecycle import down, up
from nightloom.examples.support_triage.grammar import make_random, write_problem
from nightloom.processes.parent import in_child
from nightloom.registry.database import Database
from nightloom.trials.train import run_trial

ROWS = 2_400
STEPS = 400
RUNS = 2
FIELDS = ("team", "urgency", "reply")
LORA = {"r": 32, "lora_alpha": 64, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
SETTINGS: dict[str, Any] = {
    "max_steps": STEPS,
    "learning_rate": 4e-3,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 10,
    "per_device_train_batch_size": 32,
    "train_sampling_strategy": "group_by_length",
    "activation_checkpointing": False,
    "logging_steps": 5,
    "bf16": True,
}


def measure(names: set[str], folder: Path) -> Iterator[tuple[str, float, float]]:
    """Measure the claims of these names, each as value and peer's value."""
    var_dir = folder / "training"  # kept: the starter need not be made each time
    try:
        up(var_dir, airflow=False)
        base = _fetch_starter(var_dir)
        bench = _Bench(var_dir, base, "bench/")
        for name, answers in (("training_trl", False), ("training_overhead", True)):
            if name in names:
                ours, theirs = [], []
                for _ in range(RUNS):
                    bench.seed += 1  # another blueprint: a known one is not trained
                    theirs.append(bench.run_bare(answers=answers))
                    ours.append(bench.run_ours()[0])
                yield name, statistics.median(ours), statistics.median(theirs)
        if "training_repeatable" in names:
            # Two prefixes of the store, so that neither finds the trials of the other.
            first, second = (_Bench(var_dir, base, f"again-{uuid.uuid4()}/").run_ours()[1] for _ in range(2))
            yield "training_repeatable", float(len(set(first) ^ set(second))), float(len(first))
    finally:
        down(var_dir)


class _Bench:
    """The same work for both: rows, base model and settings."""

    def __init__(self, folder: Path, base: Path, prefix: str) -> None:
        _point_settings(folder, prefix)
        self.folder, self.base_folder = folder, base
        self.seed = 20 if prefix.startswith("again") else int(time.time())
        self.store = connect_store(get_settings())
        content = BaseModelContent(files=put_folder(self.store, base))
        manifest = BaseModelManifest(content=content, provenance=BaseModelProvenance(source="starter"))
        self.base = self.store.publish(manifest).id
        rows = _write_rows()
        self.snapshot = _publish_snapshot(self.store, rows)
        self.rows = folder / "rows.jsonl"
        learned = rows.filter(pl.col("split") == "train").select("text", "answer")
        self.rows.write_text("".join(json.dumps(_as_messages(*row)) + "\n" for row in learned.iter_rows()), "utf-8")

    def run_ours(self) -> tuple[float, list[tuple[str, str]]]:
        """Train a blueprint's trial; seconds, and the adapter's files."""
        blueprint = _publish_blueprint(self.store, self.snapshot, self.base, self.seed)
        began = time.monotonic()
        trial = in_child(run_trial)(blueprint_id=blueprint, trial_no=0)
        seconds = time.monotonic() - began
        adapter = self.store.load(Adapter, self.store.load(Trial, trial).result.adapter)
        return seconds, [(file.path, file.sha256) for file in adapter.content.files]

    def run_bare(self, *, answers: bool) -> float:
        """Run TRL's script; seconds."""
        arguments = {
            "base": str(self.base_folder),
            "rows": str(self.rows),
            "settings": SETTINGS,
            "lora": LORA,
            "seed": self.seed,
            "output": str(self.folder / "bare"),
            "answers": answers,
        }
        script = [sys.executable, str(Path(__file__).with_name("bare_trl.py"))]
        began = time.monotonic()
        subprocess.run(script, input=json.dumps(arguments), text=True, check=True, stdout=subprocess.DEVNULL)
        return time.monotonic() - began


def _point_settings(folder: Path, prefix: str) -> None:
    """Have this process and its workers use the services of this folder, and a prefix and registry of their own."""
    os.environ["NIGHTLOOM_VAR_DIR"] = str(folder)
    os.environ["NIGHTLOOM_STORE_PREFIX"] = prefix
    os.environ["NIGHTLOOM_REGISTRY_URL"] = f"sqlite:///{folder / prefix.strip('/')}.db"
    get_settings.cache_clear()
    database = Database(get_settings().registry_address)
    database.migrate()
    database.close()


def _fetch_starter(folder: Path) -> Path:
    _point_settings(folder, "starter/")
    frozen = in_child(run_freeze)(base="starter")
    store = connect_store(get_settings())
    files = store.load(BaseModelManifest, frozen["base"]).content.files
    return fetch_folder(store, files, folder / "base")


def _write_rows() -> pl.DataFrame:
    """Make tickets with their answers (EXAMPLES): nineteen of twenty to learn, the rest held out."""
    lines = []
    for number in range(ROWS):
        problem = write_problem(make_random("bench", 20, number))
        answer = {"team": problem.answer.team, "urgency": problem.answer.urgency, "reply": problem.answer.reply}
        split = "train" if number % 20 else "selection"
        row_id = f"T{number:06}"
        lines.append((row_id, row_id, split, problem.text, json.dumps(answer, separators=(",", ":"), sort_keys=True)))
    frame = pl.DataFrame(lines, schema=list(EXAMPLES)[:5], orient="row")
    return frame.with_columns(slice=pl.lit(None, pl.String), history=pl.lit(None, EXAMPLES["history"]))


def _as_messages(text: str, answer: str) -> dict[str, Any]:
    fields = json.loads(answer)
    said = json.dumps({name: fields[name] for name in FIELDS}, ensure_ascii=False)
    return {
        "prompt": [{"role": "user", "content": text}],
        "completion": [{"role": "assistant", "content": said}],
    }


def _publish_snapshot(store: ObjectStore, rows: pl.DataFrame) -> str:
    file = SnapshotFile(
        sha256=put_frame(store, rows, EXAMPLES), rows=len(rows), first_id=rows["row_id"][0], last_id=rows["row_id"][-1]
    )
    splits = dict(rows["split"].value_counts().iter_rows())
    content = SnapshotContent(rows_root=rows_root(rows), columns=tuple(EXAMPLES), splits=splits)
    provenance = SnapshotProvenance(files=(file,), recipe="bench", night="2026-11-23", parent=None)
    return store.publish(Snapshot(content=content, provenance=provenance)).id


def _publish_blueprint(store: ObjectStore, snapshot: str, base: str, seed: int) -> str:
    prompt = PromptContent(messages=(PromptMessage(role="user", content="{{ text }}"),))
    task = TaskSpec(
        prompt=store.publish(Prompt(content=prompt, provenance=PromptProvenance(name="bench/1"))).id,
        output="json",
        answer=dict.fromkeys(FIELDS),
        field_order=FIELDS,
    )
    identity = BlueprintSpec(
        recipe="bench",
        snapshot=snapshot,
        base=base,
        task=task,
        trials=(TrialPlan(trainer="trl", method="lora", lora=LORA, settings=SETTINGS, seed=seed),),
        primary="team",
        eval_sets=(),
        max_new_tokens=64,
        promote_on="better",
        margin=0.02,
        confidence=0.95,
        code={name: code_digest(name) for name in VERDICT.modules},
        packages=VERDICT.versions(),
    )
    provenance = BlueprintProvenance(night="2026-11-23", packages={}, python="", machine="")
    return store.publish(Blueprint(content=identity, provenance=provenance)).id
