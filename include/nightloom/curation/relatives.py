"""Relatives: how the texts of a night are alike, among themselves and to the items of the eval sets."""

from collections.abc import Collection, Iterable

import polars as pl

from nightloom.curation.similarity import Pair, find_near_pairs, label_components

_RELATIVES = {
    "key": pl.String,  # a text in its comparable form
    "component": pl.Int64,  # texts that near-duplicates connect have the same
    "near": pl.Float64,  # similarity to the nearest other text in training; null: none is near
    "in_eval": pl.Float64,  # similarity to the nearest evaluation item; null: none is near
}


def find_relatives(keys: Collection[str], eval_keys: Collection[str], similarity: float) -> pl.DataFrame:
    """Give one line for each text. Those near an evaluation item connect no others, since they do not stay."""
    texts = sorted({*keys, *eval_keys})
    evaluated = frozenset(eval_keys)
    pairs = find_near_pairs(texts, similarity)
    items = {place for place, text in enumerate(texts) if text in evaluated}
    in_eval = {
        **_nearest(pair for pair in pairs if pair.first in items or pair.second in items),
        **dict.fromkeys(items, 1.0),
    }
    staying = [pair for pair in pairs if pair.first not in in_eval and pair.second not in in_eval]
    near, components = _nearest(staying), label_components(len(texts), staying)
    lines = [(text, components[place], near.get(place), in_eval.get(place)) for place, text in enumerate(texts)]
    return pl.DataFrame(lines, _RELATIVES, orient="row")


def _nearest(pairs: Iterable[Pair]) -> dict[int, float]:
    nearest: dict[int, float] = {}
    for pair in pairs:
        for place in (pair.first, pair.second):
            nearest[place] = max(nearest.get(place, 0.0), pair.similarity)
    return nearest
