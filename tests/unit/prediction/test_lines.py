"""Result lines: OpenAI's format with our outcome, pinned by a golden file."""

from pathlib import Path

import pytest
from nightloom.artifacts.prompts import Prompt
from nightloom.core.errors import ManifestError
from nightloom.prediction.answering import PredictionBatch, answer_rows
from nightloom.prediction.lines import dump_lines, load_lines

GOLDEN = Path(__file__).parents[2] / "golden" / "prediction_lines.jsonl"


@pytest.fixture
def lines(store, make_plan, engine):
    texts = [
        "My card\u2028was charged twice",
        "prose",
        "the key is AKIAIOSFODNN7EXAMPLE",
        "a leaky one",
        "a careless one",
    ]
    plan = make_plan(texts).content
    prompt = store.load(Prompt, plan.task.prompt).content
    batch = PredictionBatch("p" * 64, plan, prompt, store, lambda: engine)
    return [line for shard in plan.shards for line in answer_rows(batch, shard, lambda _rows: None)]


def test_lines_equal_the_golden_file(lines) -> None:
    assert dump_lines(lines).decode() == GOLDEN.read_text(encoding="utf-8")


def test_lines_survive_a_round_trip(lines) -> None:
    assert load_lines(dump_lines(lines)) == lines


def test_unicode_separators_end_no_line(lines) -> None:
    answer = lines[0].nightloom.model_copy(update={"answer": {"team": "billing", "reply": "one\u2028two\x85three"}})
    line = lines[0].model_copy(update={"nightloom": answer})
    assert load_lines(dump_lines([line, line])) == [line, line]


def test_damaged_line_is_reported_without_text() -> None:
    with pytest.raises(ManifestError, match=r"is not a result line: .* at \('id',\)") as caught:
        load_lines(b'{"custom_id": "r1", "text": "my iban"}\n')
    assert "iban" not in str(caught.value)
