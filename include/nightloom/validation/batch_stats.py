"""Batch statistics: counts over all parts of a batch, which the batch suites validate once at the end."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import polars as pl

from nightloom.recipes.schema import AnswerField
from nightloom.validation.limits import Counts

MOST_VALUES = 200
"""Fields with more allowed values are not counted, because each night's manifest would hold all counts."""

RECORD_STATS = ("received", "new_rows", "newest", "rows", "keys", "with_text", "with_answer")
"""Names of the batch statistics of records; a recipe's own suite may use them as columns."""

_SPLITS = pl.Enum(["train", "selection", "test"])


class RecordStats:
    """Batch statistics of records; all versions of a row are in one part.

    Args:
        answer: Fields of the answer.
    """

    def __init__(self, answer: Mapping[str, AnswerField]) -> None:
        self._answers = [answer_column(name) for name in answer]
        self._counts: Counter[str] = Counter(dict.fromkeys(("received", "rows", "keys", "with_text", "with_answer"), 0))
        self._newest = ""

    def add(self, received: pl.DataFrame, newest: pl.DataFrame) -> None:
        """Count a part as received, and the newest versions of its rows with spread answers."""
        self._counts["received"] += len(received)
        self._counts["rows"] += len(newest)
        self._counts["keys"] += newest["row_id"].n_unique()
        self._counts["with_text"] += int((newest["text"].str.strip_chars() != "").sum())
        lacks_answer = pl.any_horizontal(pl.lit(value=False), pl.col(self._answers).is_null())
        # The answer of a row that cannot be read is unknown, not missing.
        self._counts["with_answer"] += len(newest) - len(newest.filter(lacks_answer, pl.col("fault").is_null()))
        self._newest = max(self._newest, str(received["version"].max() or ""))

    def as_dict(self, new_rows: int | None) -> dict[str, Any]:
        """Return the statistics of RECORD_STATS by name."""
        return {**self._counts, "new_rows": new_rows, "newest": self._newest or None}


class ExampleStats:
    """Batch statistics of examples; equal ids and clusters may be in different parts.

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
        """Count a part with spread answers."""
        self._rows += len(examples)
        self._train += int((examples["split"] == "train").sum())
        # Eight bytes for each id, so that a night of millions of rows fits into memory.
        self._ids.append(examples.select(pl.col("row_id", "cluster_id").hash(), pl.col("split").cast(_SPLITS)))
        for name, counts in self._labels.items():
            counts.update(_count(examples[answer_column(name)]))
        self._lengths.update(_count(_length_bins(examples["text"])))

    @property
    def labels(self) -> dict[str, dict[str, int]]:
        """Number of examples by the value of each closed field of the answer."""
        return {name: dict(sorted(counts.items())) for name, counts in self._labels.items()}

    @property
    def text_lengths(self) -> dict[str, int]:
        """Number of examples by text length, rounded down to a power of two."""
        return dict(sorted(self._lengths.items()))

    def as_dict(self) -> dict[str, Any]:
        """Return the statistics by name; `labels.<field>` and `text_lengths` are counts by value."""
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
    """Return the fields with a fixed set of values that is small enough to count."""
    return [name for name, field in answer.items() if field.one_of and len(field.one_of) <= MOST_VALUES]


def spread_answers(frame: pl.DataFrame, answer: Mapping[str, AnswerField]) -> pl.DataFrame:
    """Add one column for each field of the answer."""
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
