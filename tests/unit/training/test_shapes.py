"""Shapes of a batch: packed, without padding, accumulated, checkpointed. None of them changes the losses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from nightloom.artifacts.blueprints import TrialPlan
from nightloom.artifacts.training import TrialResult
from nightloom.base_models.loading import load_model
from nightloom.core.errors import InputError
from nightloom.core.store import ObjectStore
from nightloom.training.answer_loss import NO_LABEL, answer_losses
from nightloom.trials.train import train_trial

pytestmark = pytest.mark.torch

Train = Callable[..., TrialResult]

ROWS = [
    ("the invoice is wrong", "billing"),
    ("my password is lost", "login"),
    ("no", "login"),
    ("the invoice is wrong again, and again, and once more", "billing"),
] * 4


@pytest.fixture
def train(store: ObjectStore, tiny_base: str, plan_trial: Callable[..., str]) -> Train:
    """Train three steps, by default each on all rows."""

    def train(**settings: object) -> TrialResult:
        given = {"max_steps": 3, "per_device_train_batch_size": 16, "learning_rate": 1e-2, "logging_steps": 1}
        plan = TrialPlan(trainer="trl", method="lora", lora={"r": 4}, settings={**given, **settings}, seed=3)
        return train_trial(store, plan_trial(tiny_base, plan, ROWS), 0).result

    return train


@pytest.fixture(scope="module")
def plain_records() -> dict[str, TrialResult]:
    """Results of plain batches, by the settings that change them: each is trained once for all tests."""
    return {}


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"padding_free": True}, id="no padding"),
        pytest.param({"packing": True, "max_length": 64}, id="packed"),
        pytest.param({"packing": True}, id="packed to the context"),
        pytest.param({"packing": True, "max_length": 64, "loss_type": "dft", "bf16": False}, id="packed, by TRL alone"),
        pytest.param({"per_device_train_batch_size": 4, "gradient_accumulation_steps": 4}, id="accumulated"),
        pytest.param({"gradient_checkpointing": True}, id="checkpointed"),
        pytest.param({"activation_checkpointing": True, "bf16": False}, id="checkpointed in 32 bits"),
    ],
)
def test_batch_shape_keeps_losses(
    train: Train, plain_records: dict[str, TrialResult], settings: dict[str, object]
) -> None:
    same = {name: settings[name] for name in ("bf16", "loss_type") if name in settings}
    plain = plain_records.get(str(same)) or plain_records.setdefault(str(same), train(**same))
    shaped = train(**settings)
    assert (shaped.examples, shaped.tokens, shaped.label_tokens) == (plain.examples, plain.tokens, plain.label_tokens)
    assert [p.loss for p in shaped.curve] == pytest.approx([p.loss for p in plain.curve], abs=4e-3)


@pytest.mark.parametrize(
    ("settings", "checkpoints"),
    [({"gradient_checkpointing": True}, True), ({"activation_checkpointing": True}, True), ({}, False)],
    ids=["old name", "new name", "default"],
)
def test_checkpointing_follows_settings(
    train: Train, monkeypatch: pytest.MonkeyPatch, settings: dict[str, object], checkpoints: bool
) -> None:
    from transformers import modeling_utils

    calls: list[int] = []
    original = modeling_utils.checkpoint
    monkeypatch.setattr(modeling_utils, "checkpoint", lambda *a, **k: calls.append(1) or original(*a, **k))
    train(max_steps=1, **settings)
    assert bool(calls) is checkpoints


def test_packing_joins_rows(train: Train) -> None:
    assert (
        train(packing=True, max_length=64, per_device_train_batch_size=1, max_steps=-1, num_train_epochs=1).steps < 16
    )


def test_truncating_settings_are_refused(train: Train) -> None:
    with pytest.raises(
        InputError, match=r"of 16 examples with .* remove the settings in train\.settings that truncate, drop or join"
    ):
        train(packing=True, packing_strategy="wrapped")


def test_max_length_never_truncates(train: Train) -> None:
    with pytest.raises(InputError, match="4 of 16 training examples are longer than 40 tokens"):
        train(max_length=40)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_packed_sequences_are_independent(tiny_model: Path, attention: str) -> None:
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    model = load_model(tiny_model, attention=attention).eval()
    generator = torch.Generator().manual_seed(3)
    rows = [torch.randint(5, 200, (length,), generator=generator).tolist() for length in (5, 9, 4, 12)]
    labels = [[NO_LABEL, NO_LABEL, *row[2:]] for row in rows]
    alone = [
        answer_losses(model, {"input_ids": torch.tensor([row]), "labels": torch.tensor([label])})[0]
        for row, label in zip(rows, labels, strict=True)
    ]
    packs = [
        {
            "input_ids": sum(rows[first : first + 2], []),  # noqa: RUF017  # two rows
            "labels": sum(labels[first : first + 2], []),  # noqa: RUF017
            "seq_lengths": [len(row) for row in rows[first : first + 2]],
        }
        for first in (0, 2)
    ]
    batch = DataCollatorForLanguageModeling(pad_token_id=0, padding_free=True)(packs)
    together = answer_losses(model, batch)
    torch.testing.assert_close(together[0], torch.cat(alone), atol=1e-5, rtol=1e-5)


def test_answer_loss_is_cross_entropy(tiny_model: Path) -> None:
    model = load_model(tiny_model).eval()
    ids = torch.randint(5, 200, (3, 10), generator=torch.Generator().manual_seed(3))
    labels = ids.where(torch.rand(3, 10, generator=torch.Generator().manual_seed(4)) < 0.3, NO_LABEL)
    expected = torch.nn.functional.cross_entropy(
        model(ids).logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=NO_LABEL, reduction="sum"
    )
    found = answer_losses(model, {"input_ids": ids, "labels": labels}).sum()
    torch.testing.assert_close(found, expected)
    found.backward()


def test_batch_without_labels_has_no_loss(tiny_model: Path) -> None:
    inputs: dict[str, Any] = {"input_ids": torch.tensor([[5, 6]]), "labels": torch.tensor([[NO_LABEL, NO_LABEL]])}
    loss = answer_losses(load_model(tiny_model), inputs).sum()
    loss.backward()
    assert loss.item() == 0
