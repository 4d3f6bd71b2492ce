"""Training throughput, and its share of a device's peak.

Model FLOPs utilisation (MFU) as in PaLM (arXiv 2204.02311, appendix B): the operations that a token needs, times tokens
a second, over the device's peak. With LoRA the base's weights have no gradient, so that a frozen matrix of P weights
takes 2 P forward and 2 P backward, and an adapter of P weights 6 P; attention over T tokens takes 12 L H Q T, masked or
not; the vocabulary is scored for those tokens alone whose prediction is learned. What is computed twice to save memory
does not count.
"""

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from nightloom.artifacts.blueprints import TrialPlan
from nightloom.artifacts.training import Trial
from nightloom.base_models.freeze import freeze_base
from nightloom.core.store import ObjectStore
from nightloom.registry.database import open_database
from nightloom.registry.trials import read_curve
from nightloom.trials.train import train_trial

from tests.factories.chat_tokenizers import make_tokenizer
from tests.factories.trials import publish_blueprint

PEAKS = {"H200": 989.4e12, "H100": 989.4e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12}
"""Dense bf16 operations a second, by what a device's name holds, from the vendor's data sheets (SXM variants)."""

_WARM_UP = 2  # points of the curve


@dataclass(frozen=True)
class Size:
    """A Qwen3 architecture; the default is that of Qwen3-0.6B."""

    hidden: int = 1024
    inner: int = 3072
    layers: int = 28
    heads: int = 16
    key_heads: int = 8
    head: int = 128
    vocabulary: int = 151_936
    lora: dict[str, Any] = field(default_factory=lambda: {"r": 16, "lora_alpha": 32})

    @property
    def matrices(self) -> list[tuple[int, int]]:
        """The frozen matrices of a layer, as inputs and outputs."""
        query, key = self.heads * self.head, self.key_heads * self.head
        attention = [(self.hidden, query), (self.hidden, key), (self.hidden, key), (query, self.hidden)]
        return [*attention, (self.hidden, self.inner), (self.hidden, self.inner), (self.inner, self.hidden)]

    def flops_per_token(self, length: int, learned: float) -> float:
        """Return the operations that tuning takes for a token of sequences of this length, with this share learned."""
        frozen = self.layers * sum(inputs * outputs for inputs, outputs in self.matrices)
        adapters = self.layers * sum(self.lora["r"] * (inputs + outputs) for inputs, outputs in self.matrices)
        attention = 12 * self.layers * self.heads * self.head * length
        return 4 * frozen + 6 * adapters + attention + 4 * learned * self.hidden * self.vocabulary


@dataclass(frozen=True)
class Speed:
    """A measurement."""

    tokens_per_second: float
    tokens: int
    learned: float


def write_model(folder: Path, size: Size) -> Path:
    """Write a model's folder with random weights in bf16."""
    import torch
    from transformers import AutoModelForCausalLM, Qwen3Config

    tokenizer = make_tokenizer("qwen")
    torch.manual_seed(7)
    config = Qwen3Config(
        hidden_size=size.hidden,
        intermediate_size=size.inner,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.key_heads,
        head_dim=size.head,
        vocab_size=max(size.vocabulary, len(tokenizer)),
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
    )
    AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def write_rows(lengths: Sequence[int], tokenizer: Any) -> list[tuple[str, str]]:
    """Write texts for conversations of about these numbers of tokens, most of them in the answer."""
    random = Random(7)
    words = ["the", "invoice", "is", "wrong", "password", "lost", "billing", "login", "my", "refund"]
    around = 24  # tokens of the template and the question
    rows = []
    for number, length in enumerate(lengths):
        wanted = max(4, length - around)
        ids = tokenizer(" ".join(random.choice(words) for _ in range(wanted)))["input_ids"][:wanted]
        rows.append((f"question {number}", tokenizer.decode(ids)))
    return rows


def measure(store: ObjectStore, base: Path, rows: Sequence[tuple[str, str]], size: Size, **settings: Any) -> Speed:
    """Tune with LoRA in bf16, and return the median speed after warm-up."""
    given = {"bf16": True, "logging_steps": 5, "learning_rate": 1e-4, **settings}
    plan = TrialPlan(trainer="trl", method="lora", lora=size.lora, settings=given, seed=3)
    blueprint = publish_blueprint(store, freeze_base(store, str(base)), plan, list(rows))
    trial = train_trial(store, blueprint, 0)
    result = store.load(Trial, trial.id).result
    speeds = [value for _, value in read_curve(open_database(), trial.id, "tokens_per_second")]
    return Speed(statistics.median(speeds[_WARM_UP:]), result.tokens, result.label_tokens / result.tokens)


def find_peak(device: str) -> float:
    """Return a device's peak.

    Raises:
        LookupError: It is not known.
    """
    for name, peak in PEAKS.items():
        if name in device:
            return peak
    msg = f"the peak of {device} is not known; add its dense bf16 rate to PEAKS"
    raise LookupError(msg)


def keep_figures(folder: Path, **figures: Any) -> None:
    """Write figures into a folder for the person who runs the tests."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "latest.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(json.dumps({**known, **figures}, indent=2) + "\n", encoding="utf-8")
