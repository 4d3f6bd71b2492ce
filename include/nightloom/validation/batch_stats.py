"""Facts: what is counted of a whole batch while its parts go by, so that it can be judged once at the end."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import polars as pl

from nightloom.recipes.schema import AnswerField
from nightloom.validation.limits import Counts

MOST_VALUES = 200
"""A field with more allowed values is not counted: each night's manifest would hold them all."""

RECORD_FACTS = ("received", "new_rows", "newest", "rows", "keys", "with_text", "with_answer")
"""What is known of records as a batch; a recipe's own suite may speak of each by its name."""

_SPLITS = pl.Enum(["train", "selection", "test"])


class RecordTally:
    """Counts records; all versions of a row lie in one part.

    Args:
        answer: Fields of the answer.
    """

    def __init__(self, answer: Mapping[str, AnswerField]) -> None:
        self._answers = [answer_column(name) for name in answer]
        self._counts: Counter[str] = Counter(dict.fromkeys(("received", "rows", "keys", "with_text", "with_answer"), 0))
        self._newest = ""

    def add(self, received: pl.DataFrame, newest: pl.DataFrame) -> None:
        """Count a part as it was received, and the newest version of each of its rows with the answer spread."""
        self._counts["received"] += len(received)
        self._counts["rows"] += len(newest)
        self._counts["keys"] += newest["row_id"].n_unique()
        self._counts["with_text"] += int((newest["text"].str.strip_chars() != "").sum())
        self._counts["with_answer"] += len(newest.drop_nulls(self._answers))
        self._newest = max(self._newest, str(received["version"].max() or ""))

    def facts(self, new_rows: int | None) -> dict[str, Any]:
        """Return the facts of RECORD_FACTS."""
        return {**self._counts, "new_rows": new_rows, "newest": self._newest or None}


class ExampleTally:
    """Counts examples, whose ids and clusters may lie in any part.

    Args:
        answer: Fields of the answer.
    """

    def __init__(self, answer: Mapping[str, AnswerField]) -> None:
        self._answer = answer
        self._rows, self._train = 0, 0
        self._labels: dict[str, Counter[str]] = {name: Counter() for name in closed_fields(answer)}
        self._lengths: Counter[str] = Counter()
        self._ids: list[pl.DataFrame] = []

    def add(self, examples: pl.DataFrame) -> None:
        """Count a part, with the answer spread."""
        self._rows += len(examples)
        self._train += int((examples["split"] == "train").sum())
        # Eight bytes an id, whatever their length: with them a night of millions is held.
        self._ids.append(examples.select(pl.col("row_id", "cluster_id").hash(), pl.col("split").cast(_SPLITS)))
        for name, counts in self._labels.items():
            counts.update(_count(examples[answer_column(name)]))
        self._lengths.update(_count(_length_bins(examples["text"])))

    @property
    def labels(self) -> dict[str, dict[str, int]]:
        """Examples by the value of each closed field of the answer."""
        return {name: dict(sorted(counts.items())) for name, counts in self._labels.items()}

    @property
    def text_lengths(self) -> dict[str, int]:
        """Examples by the length of their texts: under the greatest power of two that is not longer."""
        return dict(sorted(self._lengths.items()))

    def facts(self) -> dict[str, Any]:
        """Return what is known of the batch; `labels.<field>` and `text_lengths` are counts by value."""
        ids = pl.concat(self._ids)
        splits = ids.group_by("cluster_id").agg(pl.col("split").n_unique())["split"]
        return {
            "rows": self._rows,
            "keys": ids["row_id"].n_unique(),
            "train": self._train,
            "clusters_apart": int((splits > 1).sum()),
            **{f"labels.{name}": counts for name, counts in self.labels.items()},
            "text_lengths": self.text_lengths,
        }


def closed_fields(answer: Mapping[str, AnswerField]) -> list[str]:
    """Return the fields whose values are few enough to be counted."""
    return [name for name, field in answer.items() if field.one_of and len(field.one_of) <= MOST_VALUES]


def spread_answers(frame: pl.DataFrame, answer: Mapping[str, AnswerField]) -> pl.DataFrame:
    """Return each field of the answer a column of its own."""
    fields = frame["answer"].str.json_decode(pl.Struct(dict.fromkeys(answer, pl.String))).struct
    return frame.with_columns(fields.field(name).alias(answer_column(name)) for name in answer)


def answer_column(name: str) -> str:
    """Return the name of the column of a field of the answer."""
    return f"answer.{name}"


def _count(values: pl.Series) -> Counts:
    counts = values.drop_nulls().value_counts()
    return dict(counts.iter_rows())


def _length_bins(texts: pl.Series) -> pl.Series:
    lengths = texts.str.len_chars().clip(lower_bound=1)
    return (2 ** lengths.log(2).floor().cast(pl.Int64)).cast(pl.String).str.zfill(8)
