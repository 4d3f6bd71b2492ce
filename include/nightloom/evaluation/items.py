"""Items: score one model's answers item by item, into a frame."""

import json
from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from nightloom.artifacts.answers import Answer
from nightloom.artifacts.frames import SCORES
from nightloom.core.errors import InputError
from nightloom.evaluation.scorers import Response, Score, Scorer, identify_scorer, score_response

Values = Mapping[str, str]
"""Field → value."""


def list_measures(scorers: Sequence[Scorer], fields: Sequence[str]) -> list[tuple[Scorer, str | None]]:
    """Return each scorer with each field that it scores, or with None if it scores the whole answer."""
    return [(scorer, field) for scorer in scorers for field in (fields if scorer.scope == "field" else (None,))]


def score_items(
    items: pl.DataFrame,
    values: Sequence[Values | None],
    scorers: Sequence[Scorer],
    fields: Sequence[str],
    answers: Sequence[Answer] | None = None,
) -> pl.DataFrame:
    """Return the SCORES frame of one model.

    Args:
        items: An EVAL_ITEMS frame.
        values: Parsed output for each item in order, or None for an output with an invalid format.
        scorers: Scorers in the order of their metrics.
        fields: Fields of the answer to score. A model that was trained for other fields lacks some of them, which
            counts as an output with an invalid format.
        answers: Answers that the values were parsed from, or None if no model generated them.

    Raises:
        InputError: A scorer failed or returned an invalid score.
    """
    measures = list_measures(scorers, fields)
    read_from: Sequence[Answer | None] = answers or [None] * len(values)
    rows = [
        (item_id, cluster_id, part, identify_scorer(scorer), field, score.value, score.explanation)
        for (item_id, cluster_id, part, expected), given, answer in zip(
            items.select("item_id", "cluster_id", "slice", "answer").iter_rows(),
            values,
            read_from,
            strict=True,
        )
        for (scorer, field), score in zip(
            measures, _score_item(item_id, json.loads(expected), given, answer, measures, fields), strict=True
        )
    ]
    return pl.DataFrame(rows, schema=SCORES, orient="row")


def _score_item(
    item_id: str,
    expected: Values,
    given: Values | None,
    answer: Answer | None,
    measures: Sequence[tuple[Scorer, str | None]],
    fields: Sequence[str],
) -> Iterator[Score]:
    for scorer, field in measures:
        value = None if given is None else _read(given, field, fields)
        target = _read(expected, field, fields)
        if target is None:
            msg = f"item {item_id} has no answer for {field or 'all fields'}; freeze the eval set again"
            raise InputError(msg)
        yield score_response(scorer, Response(value, answer), target, item_id)


def _read(values: Values, field: str | None, fields: Sequence[str]) -> str | None:
    """Return one field's value, or all of them as JSON, or None if the values lack it."""
    if field:
        return values.get(field)
    return json.dumps({name: values[name] for name in fields}, sort_keys=True) if values.keys() >= set(fields) else None
