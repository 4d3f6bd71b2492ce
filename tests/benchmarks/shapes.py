"""How fast the starter trains in which shape: `python -m tests.benchmarks.shapes`, with nothing else at work.

Workload: 1,280 tickets of the example's grammar (seed 20), rendered as its recipe does, on the starter's architecture
with random weights and the LoRA of its recipe; 640 examples a variant. Each variant is trained in a process of its own,
in rounds of all variants one after the other; the table has the median of tokens a second, of prompt and answer
together, while TRL trains, and the median of processor time. Where real-time priority may be taken, it is.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROWS = 1_280
EXAMPLES = 640
ROUNDS = 3
HERE = Path("var/bench/shapes")
LORA = {"r": 32, "lora_alpha": 64, "modules_to_save": ["embed_tokens"], "ensure_weight_tying": True}

VARIANTS: dict[str, dict[str, Any]] = {
    "batch 32, bf16, eager, two threads": {},
    "batch 8": {"batch": 8},
    "batch 16": {"batch": 16},
    "batch 64": {"batch": 64},
    "one thread": {"threads": 1},
    "one thread, fp32": {"threads": 1, "bf16": False},
    "fp32": {"bf16": False},
    "sdpa": {"model": {"attn_implementation": "sdpa"}},
    "fp32, sdpa": {"bf16": False, "model": {"attn_implementation": "sdpa"}},
    "fp32, batch 64": {"bf16": False, "batch": 64},
    "no padding": {"padding_free": True},
    "no padding, sdpa": {"padding_free": True, "model": {"attn_implementation": "sdpa"}},
    "packed to 1,024": {"packing": True, "max_length": 1024, "batch": 2, "steps": 20},
    "packed to 1,024, sdpa": {
        "packing": True,
        "max_length": 1024,
        "batch": 2,
        "steps": 20,
        "model": {"attn_implementation": "sdpa"},
    },
    "packed to 256, sdpa": {
        "packing": True,
        "max_length": 256,
        "batch": 8,
        "steps": 20,
        "model": {"attn_implementation": "sdpa"},
    },
    "not by length": {"train_sampling_strategy": "random"},
}


def main() -> None:
    """Measure all variants, or those named, and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--variant", help="measure one, in this process")
    parser.add_argument("--only", nargs="*", default=list(VARIANTS), help="names of variants")
    given = parser.parse_args()
    if given.variant:
        sys.stdout.write(json.dumps(_measure(VARIANTS[given.variant])) + "\n")
        return
    _make_base(HERE / "base")
    found: dict[str, list[dict[str, float]]] = {name: [] for name in given.only}
    for _ in range(ROUNDS):
        for name, results in found.items():
            results.append(_ask_child(name))
    sys.stdout.write("| shape | tokens/s | processor µs a token | last loss |\n| --- | --- | --- | --- |\n")
    for name, results in found.items():
        speed, cost, loss = (statistics.median(one[key] for one in results) for key in ("speed", "cost", "loss"))
        sys.stdout.write(f"| {name} | {speed:,.0f} | {cost:,.0f} | {loss:.3f} |\n")


def _ask_child(name: str) -> dict[str, float]:
    threads = str(VARIANTS[name].get("threads", 2))
    command = [sys.executable, "-m", "tests.benchmarks.shapes", "--variant", name]
    if shutil.which("chrt"):
        command = ["chrt", "-r", "10", *command]
    environment = {"GOMP_SPINCOUNT": "10000", **os.environ, "OMP_NUM_THREADS": threads}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    sys.stderr.write(f"{name}: {result}\n")
    return result


def _make_base(folder: Path) -> None:
    """Write the starter's tokenizer and architecture, with weights that have learned nothing."""
    from nightloom.base_models import starter
    from nightloom.base_models.starter_text import Writer

    settings = starter.StarterSettings()
    tokenizer = starter._train_tokenizer(settings, list(Writer(settings.seed).write_chats(20_000)))
    tokenizer.save_pretrained(folder)
    starter._make_model(settings, tokenizer).save_pretrained(folder)


def _measure(variant: dict[str, Any]) -> dict[str, float]:
    from nightloom.core.s3 import Bucket
    from nightloom.core.scratch import scratch_folder
    from nightloom.core.store import ObjectStore
    from nightloom.training.base import TrainingControl
    from nightloom.training.sft import train_with_trl
    from transformers import Trainer

    from tests.conftest import MemoryS3  # type: ignore[import-not-found]

    batch = variant.get("batch", 32)
    settings = {
        "learning_rate": 4e-3,
        "warmup_steps": 10,
        "bf16": variant.get("bf16", True),
        "per_device_train_batch_size": batch,
        "max_steps": variant.get("steps", EXAMPLES // batch),
        **{name: variant[name] for name in ("padding_free", "packing", "max_length") if name in variant},
        **{name: variant[name] for name in ("train_sampling_strategy",) if name in variant},
    }
    store = ObjectStore(Bucket(MemoryS3(), "bucket", "prefix/"))
    blueprint, plan = _plan(store, settings, variant.get("model", {}))
    spent: list[tuple[float, float]] = []
    train = Trainer.train

    def timed(*arguments: Any, **more: Any) -> Any:
        wall, processor = time.perf_counter(), time.process_time()
        done = train(*arguments, **more)
        spent.append((time.perf_counter() - wall, time.process_time() - processor))
        return done

    Trainer.train = timed
    with scratch_folder() as folder:
        training = train_with_trl(store, blueprint, plan, folder, TrainingControl())
    wall, processor = spent[-1]
    tokens = training.tokens_seen
    return {"speed": tokens / wall, "cost": processor / tokens * 1e6, "loss": training.curve[-1].loss, "wall": wall}


def _plan(store: Any, settings: dict[str, Any], model: dict[str, Any]) -> tuple[Any, Any]:
    """Publish the tickets and the base model, and plan a trial on them."""
    import polars as pl
    from nightloom.artifacts.blueprints import BlueprintSpec, TrialPlan
    from nightloom.artifacts.data import Snapshot, SnapshotContent, SnapshotFile, SnapshotProvenance
    from nightloom.artifacts.folders import put_folder
    from nightloom.artifacts.frames import EXAMPLES, put_frame
    from nightloom.artifacts.leaves import rows_root
    from nightloom.artifacts.models import BaseModelContent, BaseModelManifest, BaseModelProvenance, TaskSpec
    from nightloom.examples.support_triage.grammar import make_random, write_problem
    from nightloom.prompts.templates import read_prompt

    problems = [write_problem(make_random("shapes", 20, number)) for number in range(ROWS)]
    answers = [{name: getattr(one.answer, name) for name in ("team", "urgency", "reply")} for one in problems]
    rows = pl.DataFrame(
        {
            "row_id": [f"{number:05d}" for number in range(ROWS)],
            "cluster_id": "c",
            "split": "train",
            "text": [one.text for one in problems],
            "answer": [json.dumps(answer, sort_keys=True) for answer in answers],
            "slice": None,
            "history": None,
        },
        schema=EXAMPLES,
    )
    shard = SnapshotFile(sha256=put_frame(store, rows, EXAMPLES), rows=ROWS, first_id="00000", last_id="99999")
    snapshot = Snapshot(
        content=SnapshotContent(rows_root=rows_root(rows), columns=tuple(EXAMPLES), splits={"train": ROWS}),
        provenance=SnapshotProvenance(files=(shard,), recipe="triage", night="2026-11-23", parent=None),
    )
    files = put_folder(store, HERE / "base")
    base = BaseModelManifest(content=BaseModelContent(files=files), provenance=BaseModelProvenance(source="starter"))
    plan = TrialPlan(trainer="trl", method="lora", model=model, lora=LORA, settings=settings, seed=20)
    blueprint = BlueprintSpec(
        recipe="triage",
        snapshot=store.publish(snapshot).id,
        base=store.publish(base).id,
        task=TaskSpec(
            prompt=store.publish(read_prompt(Path("include/prompts"), "support_triage/1")).id,
            output="json",
            answer={"team": None, "urgency": None, "reply": None},
            field_order=("team", "urgency", "reply"),
        ),
        trials=(plan,),
        primary="team",
        eval_sets=(),
        max_new_tokens=64,
        promote_on="better",
        margin=0.02,
        confidence=0.95,
        code={},
        packages={},
    )
    return blueprint, plan


if __name__ == "__main__":
    main()
