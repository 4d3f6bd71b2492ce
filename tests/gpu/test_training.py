"""Tuning on a GPU: utilization, and the gain of packing. `make gpu`."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from nightloom.base_models.loading import load_model
from nightloom.base_models.quiet import ignore_v6_deprecations
from nightloom.core.env_file import PROJECT_ROOT
from nightloom.core.store import ObjectStore
from nightloom.registry.database import open_database
from nightloom.rendering.tokenizer import load_tokenizer

from .throughput import Size, find_peak, keep_figures, measure, write_model, write_rows

FIGURES = PROJECT_ROOT / "var" / "gpu"
TINY = Size(hidden=64, inner=96, layers=2, heads=4, key_heads=2, head=16, vocabulary=512)


@pytest.fixture(scope="module")
def real(device: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of 0.6 billion weights."""
    return write_model(tmp_path_factory.mktemp("real"), Size())


@pytest.mark.torch
def test_flops_match_torch_counter(tmp_path: Path) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from torch.utils.flop_counter import FlopCounterMode

    length, learned = 96, 0.5
    base = load_model(write_model(tmp_path / "tiny", TINY), dtype="float32", attention="eager")
    with ignore_v6_deprecations():
        model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", target_modules="all-linear", **TINY.lora))
    ids = torch.randint(0, 300, (2, length))
    with FlopCounterMode(display=False) as counter:
        logits = model(input_ids=ids, use_cache=False, logits_to_keep=round(learned * length)).logits
        logits.sum().backward()
    expected = TINY.flops_per_token(length, learned) * ids.numel()
    # The first layer's input needs no gradient; that counts for more in a model of two layers than of many.
    assert counter.get_total_flops() == pytest.approx(expected, rel=0.1)


@pytest.mark.torch
def test_throughput_is_measured_on_cpu(store: ObjectStore, tmp_path: Path) -> None:
    open_database().migrate()
    base = write_model(tmp_path / "tiny", TINY)
    rows = write_rows([40] * 8, load_tokenizer(base))
    speed = measure(store, base, rows, TINY, max_steps=20, per_device_train_batch_size=2)
    assert speed.tokens_per_second > 0
    assert 250 < speed.tokens < 400
    assert 0.3 < speed.learned < 0.9


@pytest.mark.gpu
@pytest.mark.parametrize("length", [1024, 2048])
def test_gpu_utilization_is_high(
    store: ObjectStore, device: str, real: Path, report: Callable[[str], None], length: int
) -> None:
    open_database().migrate()
    rows = write_rows([length] * 512, load_tokenizer(real))
    batch = 16 * 1024 // length
    speed = measure(store, real, rows, Size(), max_steps=60, per_device_train_batch_size=batch)
    flops = Size().flops_per_token(length, speed.learned)
    mfu = speed.tokens_per_second * flops / find_peak(device)
    report(f"{device}, length {length}, batch {batch}: {speed.tokens_per_second:,.0f} tokens/s, MFU {mfu:.1%}")
    keep_figures(FIGURES, **{f"mfu_{length}": mfu, f"tokens_per_second_{length}": speed.tokens_per_second})
    assert mfu >= 0.45


@pytest.mark.gpu
def test_packing_pays_for_mixed_lengths(
    store: ObjectStore, device: str, real: Path, report: Callable[[str], None]
) -> None:
    open_database().migrate()
    random = Random(7)
    rows = write_rows([random.choice((64, 128, 256, 512, 1024)) for _ in range(2048)], load_tokenizer(real))
    more = {"train_sampling_strategy": "random", "max_steps": 60}
    plain = measure(store, real, rows, Size(), per_device_train_batch_size=16, **more)
    packed = measure(
        store,
        real,
        rows,
        Size(),
        per_device_train_batch_size=8,
        packing=True,
        max_length=2048,
        **more,
    )
    ratio = packed.tokens_per_second / plain.tokens_per_second
    report(f"{device}: packed {packed.tokens_per_second:,.0f}, unpacked {plain.tokens_per_second:,.0f} tokens/s")
    keep_figures(FIGURES, packing=ratio)
    assert ratio >= 1.5
