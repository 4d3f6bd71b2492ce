"""Families of models, as published: trained, merged, and asked."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from nightloom.artifacts.blueprints import TrialPlan
from nightloom.artifacts.folders import fetch_model
from nightloom.artifacts.models import Adapter, BaseModelManifest, ModelRef
from nightloom.base_models.freeze import freeze_base
from nightloom.base_models.loading import load_model
from nightloom.base_models.quiet import ignore_v6_deprecations
from nightloom.core.store import ObjectStore
from nightloom.engines.opening import open_engine
from nightloom.engines.transformers import open_transformers
from nightloom.rendering.chat import render_chats
from nightloom.rendering.tokenizer import _log_once, load_tokenizer
from nightloom.trials.train import train_trial

from tests.factories.asking import ask
from tests.factories.model_families import FAMILIES, write_model

pytestmark = pytest.mark.torch

ROWS = [("the invoice is wrong", "billing"), ("the invoice is wrong once more", "billing")] * 2
"""Two lengths, so that the batch is padded: with the end token if the model has no padding token."""

CHAT = [{"role": "user", "content": "the invoice is wrong"}]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Train models of this size with one thread: on a busy machine several threads wait long for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session", params=FAMILIES)
def family_model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of every family."""
    return write_model(tmp_path_factory.mktemp("family") / request.param, request.param)


def make_plan(method: str) -> TrialPlan:
    settings = {"per_device_train_batch_size": 4, "learning_rate": 2e-2, "max_steps": 40}
    lora = {"r": 8} if method == "lora" else {}
    return TrialPlan.model_validate({"trainer": "trl", "method": method, "lora": lora, "settings": settings, "seed": 3})


def test_family_learns_answer_and_end(store: ObjectStore, family_model: Path, plan_trial: Callable[..., str]) -> None:
    base = freeze_base(store, str(family_model))
    trial = train_trial(store, plan_trial(base, make_plan("lora"), ROWS), 0)
    tuned = ModelRef(base=base, adapter=trial.result.adapter)
    (answer,) = ask(open_engine(store, tuned), [CHAT], 30)
    assert (answer.text, answer.finish_reason) == ('{"team": "billing"}', "stop")
    check_merged(store, tuned)


@pytest.mark.parametrize(
    ("family", "end", "padding"),
    [
        ("llama", "<|eot_id|>", "<|eot_id|>"),
        ("qwen3", "<|im_end|>", "<|endoftext|>"),
        ("gemma3", "<end_of_turn>", "<pad>"),
    ],
)
def test_end_token_follows_template_and_pads(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, family: str, end: str, padding: str
) -> None:
    _log_once.cache_clear()
    folder = write_model(tmp_path / "model", family)
    with caplog.at_level(logging.INFO, "nightloom"):
        tokenizer = [load_tokenizer(folder) for _ in range(3)][-1]
    assert (tokenizer.eos_token, tokenizer.pad_token) == (end, padding)
    lines = [line for line in caplog.messages if "no pad_token; padding with its end token <|eot_id|>" in line]
    assert len(lines) == (family == "llama")


def test_template_writes_fixed_date(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", "llama")
    template = folder / "chat_template.jinja"
    today = "{%- if strftime_now is defined -%}{{- strftime_now('%d %b %Y, %Y-%m-%d') -}}{%- endif -%}"
    template.write_text(today + template.read_text(encoding="utf-8"), encoding="utf-8")
    (text,) = render_chats(load_tokenizer(folder), [CHAT], asking=True)
    assert text.startswith("26 Jul 2024, 2024-07-26<|begin_of_text|>")


def test_full_training_tunes_tied_embeddings(
    store: ObjectStore, tmp_path: Path, plan_trial: Callable[..., str]
) -> None:
    base = freeze_base(store, str(write_model(tmp_path / "model", "qwen3")))
    trial = train_trial(store, plan_trial(base, make_plan("full"), ROWS), 0)
    (answer,) = ask(open_engine(store, ModelRef(base=base, adapter=trial.result.adapter)), [CHAT], 30)
    assert (answer.text, answer.finish_reason) == ('{"team": "billing"}', "stop")


def check_merged(store: ObjectStore, tuned: ModelRef) -> None:
    """Check that the merged adapter gives the same logits as the separate one."""
    from peft import PeftModel

    assert tuned.adapter
    base = fetch_model(store, BaseModelManifest, tuned.base)[1]
    adapter = fetch_model(store, Adapter, tuned.adapter)[1]
    ids = torch.arange(20)[None]
    with ignore_v6_deprecations(), torch.no_grad():
        apart = PeftModel.from_pretrained(load_model(base), adapter).eval()(ids).logits
        merged = open_transformers(base, adapter, "lora").model(ids).logits
    torch.testing.assert_close(merged, apart, atol=1e-4, rtol=1e-4)
