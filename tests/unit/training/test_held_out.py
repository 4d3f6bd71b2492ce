"""The held-out loss and early stopping."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from nightloom.artifacts.blueprints import TrialPlan
from nightloom.artifacts.frames import TOKENS
from nightloom.artifacts.models import Adapter
from nightloom.artifacts.training import HeldOutLoss, Trial
from nightloom.base_models.loading import load_model
from nightloom.core.errors import DivergenceError, InputError, OutOfMemoryError
from nightloom.core.store import ObjectStore
from nightloom.recipes.training import EarlyStopping
from nightloom.training import early_stopping, held_out
from nightloom.training.early_stopping import EvalHistory
from nightloom.training.held_out import MOST_EXAMPLES, measure_held_out, pick_held_out
from nightloom.trials.train import train_trial

pytestmark = pytest.mark.torch

Plan = Callable[..., str]

LENGTHS = [3, 9, 5, 9, 4, 7, 30]


def make_rows(lengths: list[int]) -> pl.DataFrame:
    """Rows in which all tokens but the first two are learned."""
    generator = torch.Generator().manual_seed(3)
    documents = [
        {
            "row_id": f"{number:04d}",
            "split": "selection",
            "input_ids": torch.randint(5, 200, (length,), generator=generator).tolist(),
            "learned": [position >= 2 for position in range(length)],
            "intact": True,
        }
        for number, length in enumerate(lengths)
    ]
    return pl.DataFrame(documents, schema=TOKENS)


def losses_one_by_one(model: Any, rows: pl.DataFrame) -> list[float]:
    """The loss of each row by itself, from all its logits."""
    losses = []
    for ids, learned in rows.select("input_ids", "learned").iter_rows():
        with torch.no_grad():
            logits = model.eval()(torch.tensor([ids])).logits[0, :-1]
        targets = torch.tensor(ids)[1:]
        mask = torch.tensor(learned)[1:]
        losses.append(float(torch.nn.functional.cross_entropy(logits[mask], targets[mask])))
    return losses


def test_held_out_loss_averages_examples(tiny_model: Path) -> None:
    model, rows = load_model(tiny_model), make_rows(LENGTHS)
    losses = torch.tensor(losses_one_by_one(model, rows), dtype=torch.float64)
    found = measure_held_out(model, rows, 7)
    half = 1.959964 * float(losses.std()) / len(LENGTHS) ** 0.5
    assert (found.step, found.n) == (7, 7)
    assert found.loss == pytest.approx(float(losses.mean()), abs=2e-6)
    assert (found.low, found.high) == pytest.approx((found.loss - half, found.loss + half), abs=4e-6)


def test_batches_do_not_change_loss(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, rows = load_model(tiny_model), make_rows(LENGTHS)
    whole = measure_held_out(model, rows, 0)
    monkeypatch.setattr(held_out, "_BATCH_TOKENS", 10)
    assert measure_held_out(model, rows, 0).loss == pytest.approx(whole.loss, abs=2e-6)


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_evaluation_keeps_random_state_and_mode(tiny_model: Path, training: bool) -> None:
    model = load_model(tiny_model).train(training)
    before = torch.get_rng_state()
    measure_held_out(model, make_rows(LENGTHS), 0)
    assert model.training is training
    assert torch.get_rng_state().equal(before)
    assert all(weight.grad is None for weight in model.parameters())


def test_unusable_examples_are_not_evaluated() -> None:
    rows = make_rows([3, 9, 2, 8])
    assert pick_held_out(rows, 8)["row_id"].to_list() == ["0000", "0003"]


@given(extra=st.integers(1, 30), seed=st.integers(0, 9))
def test_picked_examples_ignore_order(extra: int, seed: int) -> None:
    rows = make_rows([3] * (MOST_EXAMPLES + extra))
    picked = pick_held_out(rows, 64)
    assert len(picked) == MOST_EXAMPLES
    assert pick_held_out(rows.sample(fraction=1.0, shuffle=True, seed=seed), 64).equals(picked)
    assert pick_held_out(picked, 64).equals(picked)


def test_single_example_is_refused(tiny_model: Path) -> None:
    with pytest.raises(
        InputError, match=r"held-out loss needs 2 examples, and 1 are usable; raise prepare\.split\.selection"
    ):
        measure_held_out(load_model(tiny_model), make_rows([5]), 0)


def test_non_finite_loss_is_refused(tiny_model: Path) -> None:
    model = load_model(tiny_model)
    model.get_input_embeddings().weight.data.fill_(float("nan"))
    with pytest.raises(DivergenceError, match=r"by step 4 \(loss nan on the selection split\); lower train\.settings"):
        measure_held_out(model, make_rows(LENGTHS), 4)


def run_out_above(model: Any, tokens: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let a model run out of memory above a number of tokens, and count the tokens of each call."""
    calls: list[int] = []
    forward = model.forward

    def limited(input_ids: Any = None, logits_to_keep: Any = 0, **more: Any) -> Any:
        calls.append(input_ids.numel())
        if input_ids.numel() > tokens:
            msg = "CUDA out of memory. Tried to allocate 2 GiB"
            raise torch.OutOfMemoryError(msg)
        return forward(input_ids=input_ids, logits_to_keep=logits_to_keep, **more)

    monkeypatch.setattr(model, "forward", limited)
    return calls


def test_evaluation_halves_too_large_batches(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, rows = load_model(tiny_model).train(), make_rows(LENGTHS)
    whole = measure_held_out(model, rows, 0)
    calls = run_out_above(model, 60, monkeypatch)
    assert measure_held_out(model, rows, 0).loss == pytest.approx(whole.loss, abs=2e-6)
    assert calls[0] > 60 >= calls[-1]
    assert model.training


def test_too_large_example_is_refused(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model(tiny_model)
    run_out_above(model, 20, monkeypatch)
    with pytest.raises(OutOfMemoryError, match="cpu ran out of memory for one example of the selection split"):
        measure_held_out(model, make_rows(LENGTHS), 0)


class Weight(torch.nn.Module):
    """A trained weight and a frozen one."""

    def __init__(self) -> None:
        super().__init__()
        self.trained = torch.nn.Parameter(torch.zeros(2))
        self.frozen = torch.nn.Parameter(torch.zeros(2), requires_grad=False)


def follow(
    history: EvalHistory, losses: dict[int, float], monkeypatch: pytest.MonkeyPatch, last: int = 100, steps: int = 100
) -> Weight:
    """Set a weight to the number of each step, until the last step or until these losses stop the training."""

    def measure(model: Any, rows: Any, step: int) -> HeldOutLoss:
        return HeldOutLoss(step=step, loss=losses[step], low=0.0, high=9.0, n=2)

    monkeypatch.setattr(early_stopping, "measure_held_out", measure)
    weight = Weight()
    for step in range(history.last_step + 1, min(last, steps) + 1):
        weight.trained.data.fill_(step)
        if history.is_due(step, steps):
            history.evaluate(weight, step)
        if history.should_stop:
            break
    return weight


FALLING_THEN_RISING = {10: 3.0, 20: 2.0, 30: 2.0, 40: 2.5, 50: 1.0}


def make_history(patience: int = 2) -> EvalHistory:
    return EvalHistory(make_rows([4, 4]), 64, EarlyStopping(every=0.1, patience=patience))


def test_training_stops_without_improvement(monkeypatch: pytest.MonkeyPatch) -> None:
    history = make_history()
    weight = follow(history, FALLING_THEN_RISING, monkeypatch)
    assert history.finish(weight, 40) == 20
    assert weight.trained.tolist() == [20, 20]
    assert [each.step for each in history.held_out] == [10, 20, 30, 40, 20]


def test_patience_allows_later_improvement(monkeypatch: pytest.MonkeyPatch) -> None:
    history = make_history(patience=3)
    weight = follow(history, FALLING_THEN_RISING, monkeypatch, last=50)
    assert history.last_step == 50
    assert history.finish(weight, 50) == 50


def test_final_weights_are_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    history = EvalHistory(make_rows([4, 4]), 64, EarlyStopping(every=0.4, patience=2))
    weight = follow(history, {2: 3.0, 4: 2.0, 5: 1.0}, monkeypatch, steps=5)
    assert history.finish(weight, 5) == 5
    assert [each.step for each in history.held_out] == [2, 4, 5]


@pytest.mark.parametrize("killed_at", [10, 20, 30, 40])
def test_eval_history_resumes_from_checkpoint(killed_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed, history = make_history(), make_history()
    follow(killed, FALLING_THEN_RISING, monkeypatch, last=killed_at)
    killed.save_to(tmp_path)
    history.load_from(tmp_path)
    assert history.should_stop is (killed_at == 40)
    weight = follow(history, FALLING_THEN_RISING, monkeypatch) if not history.should_stop else Weight()
    assert history.finish(weight, 40) == 20
    assert weight.trained.tolist() == [20, 20]


def make_plan(early_stopping: EarlyStopping | None = None, **settings: object) -> TrialPlan:
    settings = {"max_steps": 4, "per_device_train_batch_size": 4, "learning_rate": 1e-2, **settings}
    return TrialPlan(
        trainer="trl",
        method="lora",
        lora={"r": 4, "lora_dropout": 0.1},
        settings=settings,
        early_stopping=early_stopping,
        seed=3,
    )


def weights_of(store: ObjectStore, trial: Trial) -> list[str]:
    return [file.sha256 for file in store.load(Adapter, trial.result.adapter).content.files]


def test_evaluations_do_not_change_training(store: ObjectStore, tiny_base: str, plan_trial: Plan) -> None:
    plain = train_trial(store, plan_trial(tiny_base, make_plan(), selection=2), 0)
    plan = make_plan(EarlyStopping(every=0.25, patience=4))
    evaluated = train_trial(store, plan_trial(tiny_base, plan, selection=2), 0)
    assert [each.step for each in evaluated.result.held_out] == [1, 2, 3, 4]
    assert plain.result.held_out == evaluated.result.held_out[-1:]
    assert (plain.result.examples, evaluated.result.kept_step) == (6, 4)
    assert weights_of(store, plain) == weights_of(store, evaluated)


def test_best_weights_are_written(store: ObjectStore, tiny_base: str, plan_trial: Plan) -> None:
    plan = make_plan(EarlyStopping(every=0.05, patience=2), learning_rate=0.5, max_steps=20)
    trial = train_trial(store, plan_trial(tiny_base, plan, selection=2), 0)
    done = trial.result
    assert done.kept_step == done.held_out[-1].step == done.steps - 2
    short = make_plan(learning_rate=0.5, max_steps=20)
    short = short.model_copy(update={"early_stopping": EarlyStopping(every=0.05, patience=1)})
    assert weights_of(store, trial) == weights_of(
        store, train_trial(store, plan_trial(tiny_base, short, selection=2), 0)
    )


def test_training_without_selection_skips_evaluation(store: ObjectStore, tiny_base: str, plan_trial: Plan) -> None:
    assert train_trial(store, plan_trial(tiny_base, make_plan()), 0).result.held_out == ()


def test_early_stopping_needs_selection_rows(store: ObjectStore, tiny_base: str, plan_trial: Plan) -> None:
    blueprint = plan_trial(tiny_base, make_plan(EarlyStopping()), selection=1)
    with pytest.raises(
        InputError, match=r"early_stopping needs .* only 1 of its examples are usable; raise prepare\.split\.selection"
    ):
        train_trial(store, blueprint, 0)


def test_ranking_needs_selection_rows() -> None:
    with pytest.raises(InputError, match="the ranking of trials needs the loss on the selection split, and only 0"):
        EvalHistory(make_rows([]), 64, None, needed=True)
