"""The label census, on rows written by hand."""

from types import SimpleNamespace

import pytest
from nightloom.core.errors import InputError
from nightloom.training.census import Census, take_census

END = 1
TOKENIZER = SimpleNamespace(eos_token_id=END, eos_token="<|end|>")


def make_trainer(rows: list[dict[str, list[int]]], context: int = 8) -> SimpleNamespace:
    from datasets import Dataset

    config = SimpleNamespace(max_position_embeddings=context)
    return SimpleNamespace(model=SimpleNamespace(config=config), train_dataset=Dataset.from_list(rows))


def test_tokens_and_labels_are_counted() -> None:
    rows = [
        {"input_ids": [5, 6, 7, END], "labels": [-100, -100, 7, END]},
        {"input_ids": [5, END], "labels": [-100, END]},
    ]
    assert take_census(make_trainer(rows), TOKENIZER) == Census(examples=2, tokens=6, label_tokens=3, left_out=0)


def test_an_answer_whose_end_is_not_learned_is_refused() -> None:
    rows = [{"input_ids": [5, 6, END], "labels": [-100, 6, -100]}]
    with pytest.raises(InputError, match="would never learn to stop"):
        take_census(make_trainer(rows), TOKENIZER)


def test_what_does_not_fit_is_left_out_of_training() -> None:
    fitting = {"input_ids": [5, END], "labels": [5, END]}
    trainer = make_trainer([fitting] * 100 + [{"input_ids": [5] * 9, "labels": [5] * 9}])
    assert take_census(trainer, TOKENIZER).left_out == 1
    assert len(trainer.train_dataset) == 100
