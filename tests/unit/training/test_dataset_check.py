"""Label statistics, on rows written by hand."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from nightloom.artifacts.frames import LABELS, TOKENS
from nightloom.core.errors import InputError
from nightloom.rendering.tokens import TokenEncoder
from nightloom.training.dataset_check import LabelStats, check_dataset, check_labels, label_examples, pick_sample

from tests.factories.chat_tokenizers import make_tokenizer

END = 1
OTHER_END = 2
NEWLINE = 3
NO_LABEL = -100

Row = tuple[list[int], int]


class Tokenizer:
    """Names every token by its number."""

    def convert_ids_to_tokens(self, ids: Sequence[int]) -> list[str]:
        return [f"<{token}>" for token in ids]

    def decode(self, ids: Sequence[int]) -> str:
        return " ".join(self.convert_ids_to_tokens(ids))


def make_rows(*rows: Row) -> pl.DataFrame:
    """Rows of ids, learned from a position."""
    documents = [
        {
            "row_id": f"{number:03d}",
            "split": "train",
            "input_ids": ids,
            "learned": [position >= start for position in range(len(ids))],
            "intact": True,
        }
        for number, (ids, start) in enumerate(rows)
    ]
    return pl.DataFrame(documents, schema=TOKENS)


def count(*rows: Row, context: int = 8, ends: tuple[int, ...] = (END,)) -> LabelStats:
    return check_labels(make_rows(*rows), context, Tokenizer(), ends)[1]


def test_labels_are_counted() -> None:
    assert count(([5, 6, 7, END], 2), ([5, END], 1)) == LabelStats(examples=2, tokens=6, label_tokens=3, left_out=0)


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([([5, 6, 7, END, NEWLINE], 2), ([5, 8, END, NEWLINE], 1)], id="a line ends after it"),
        pytest.param([([5, 6, OTHER_END], 1), ([5, 8, OTHER_END], 1)], id="another than the tokenizer's"),
        pytest.param([([5, 6, OTHER_END, NEWLINE, END], 1), ([5, OTHER_END, NEWLINE, END], 1)], id="two of them"),
        pytest.param([([5, 6, END, 7, END], 1), ([5, 8, END], 1)], id="one in an answer's text too"),
    ],
)
def test_end_of_answer_is_found(rows: list[Row]) -> None:
    assert count(*rows, ends=(END, OTHER_END)).examples == 2


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([([5, 6, 7], 1), ([5, 6, END], 1)], id="no end"),
        pytest.param([([5, 6, END], 3), ([5, 6, END], 1)], id="an end without a label"),
        pytest.param([([5, 6, END, 7, 8], 1), ([5, 6, END], 1), ([5, 7, END], 1)], id="an end in the text alone"),
        pytest.param([([5, END, NEWLINE], 1), ([6, END, NEWLINE], 1), ([5, END, 7], 1)], id="text after it"),
    ],
)
def test_answer_without_learned_end_is_refused(rows: list[Row]) -> None:
    with pytest.raises(InputError, match=rf"in 1 of {len(rows)} training examples the end of the answer \(<1>\)"):
        count(*rows)


def test_dataset_without_end_tokens_is_refused() -> None:
    with pytest.raises(InputError, match=r"in 2 of 2 training examples .* would never learn to stop"):
        count(([5, 6], 1), ([5, 7], 1))


def test_long_examples_are_left_out() -> None:
    rows = make_rows(*[([5, END], 1)] * 100, ([5] * 9, 1))
    fitting, stats = check_labels(rows, 8, Tokenizer(), (END,))
    assert stats.left_out == 1
    assert len(fitting) == 100


def test_all_examples_too_long_is_refused() -> None:
    with pytest.raises(InputError, match="all 3 training examples are longer than 2 tokens"):
        count(*[([5, 6, END], 1)] * 3, context=2)


def test_left_out_limit_is_one_percent() -> None:
    with pytest.raises(InputError, match="2 of 101 training examples are longer"):
        count(*[([5, END], 1)] * 99, *[([5] * 9, 1)] * 2)


@pytest.mark.torch
@pytest.mark.parametrize("family", ["llama", "qwen", "gemma"])
def test_known_templates_teach_the_end(family: str) -> None:
    tokenizer = make_tokenizer(family)
    chats = [
        [{"role": "user", "content": "the invoice"}, {"role": "assistant", "content": answer}]
        for answer in ("billing", f"login {tokenizer.eos_token}", "")
    ]
    encoded = TokenEncoder(tokenizer, context=64).encode(chats)
    rows = make_rows(*((one.ids, one.start) for one in encoded))
    assert check_labels(rows, 64, tokenizer, {tokenizer.eos_token_id})[1].examples == 3
    with pytest.raises(InputError, match="in 3 of 3"):
        check_labels(rows, 64, tokenizer, {tokenizer.pad_token_id})


def test_labels_are_learned_ids() -> None:
    assert label_examples(make_rows(([5, 6, 7, END], 2), ([5, END], 1))).to_dict(as_series=False) == WHOLE


STATS = LabelStats(examples=2, tokens=6, label_tokens=3, left_out=0)
WHOLE = {"input_ids": [[5, 6, 7, END], [5, END]], "labels": [[NO_LABEL, NO_LABEL, 7, END], [NO_LABEL, END]]}
PACKED = {name: [sum(rows, [])] for name, rows in WHOLE.items()}  # noqa: RUF017  # of two rows


@pytest.mark.parametrize(
    "columns",
    [pytest.param(WHOLE, id="as they are"), pytest.param({**PACKED, "seq_lengths": [[4, 2]]}, id="packed")],
)
def test_complete_dataset_passes(columns: dict[str, Any]) -> None:
    check_dataset(make_dataset(columns), STATS)


@pytest.mark.parametrize(
    ("columns", "left"),
    [
        pytest.param(
            {"input_ids": [[5, 6, 7], [5, END]], "labels": [[NO_LABEL, NO_LABEL, 7], [NO_LABEL, END]]},
            "2 with 5 and 2",
            id="cut",
        ),
        pytest.param({name: rows[:1] for name, rows in WHOLE.items()}, "1 with 4 and 2", id="dropped"),
        pytest.param(PACKED, "1 with 6 and 3", id="joined"),
        pytest.param({**WHOLE, "labels": WHOLE["input_ids"]}, "2 with 6 and 6", id="prompt learned too"),
    ],
)
def test_incomplete_dataset_is_refused(columns: dict[str, Any], left: str) -> None:
    with pytest.raises(InputError, match=f"2 examples with 6 tokens and 3 labels, the settings leave {left}"):
        check_dataset(make_dataset(columns), STATS)


def make_dataset(columns: dict[str, Any]) -> Any:
    from datasets import Dataset

    return Dataset.from_dict(columns)


def test_sample_has_median_length() -> None:
    sample = pick_sample(make_rows(([5, 6, 7, END], 2), ([5, END], 1), ([5, 6, END], 2)), Tokenizer())
    assert sample.schema == LABELS
    assert sample.rows() == [("002", 0, "<5>", False), ("002", 1, "<6>", False), ("002", 2, "<1>", True)]


@pytest.mark.torch
def test_sample_shows_tokens_as_text(tiny_model: Path) -> None:
    from nightloom.rendering.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(tiny_model)
    ids = tokenizer("the invoice<|end|>")["input_ids"]
    sample = pick_sample(make_rows((ids, 0)), tokenizer)
    assert "".join(sample["token"]) == "the invoice<|end|>"
