"""The linear classifier: TF-IDF and logistic regression on the primary field, to put model scores into perspective."""

import json
import time
from collections.abc import Mapping, Sequence

import polars as pl

from nightloom.artifacts import fingerprints
from nightloom.artifacts.blueprints import Blueprint, BlueprintSpec
from nightloom.artifacts.frames import OUTPUTS, SCORES, put_frame
from nightloom.artifacts.ids import BlueprintId, EvalSetId
from nightloom.artifacts.models import TaskSpec
from nightloom.artifacts.prompts import Prompt
from nightloom.artifacts.reading import read_eval_set, read_split
from nightloom.artifacts.results import Scores, ScoresKey, ScoresResult
from nightloom.core.digests import short
from nightloom.core.errors import InputError
from nightloom.core.store import ObjectStore
from nightloom.evaluation.items import score_items
from nightloom.evaluation.metrics import compute_metrics
from nightloom.evaluation.scorers import ExactMatch, identify_scorer

_SCORERS = (ExactMatch(),)
_MOST_FEATURES = 20_000  # of each kind: memory and time grow with features times labels


def score_linear_classifier(store: ObjectStore, blueprint_id: BlueprintId, evalset_id: EvalSetId) -> Scores:
    """Return the linear classifier's scores on the primary field, cached in the store.

    It learns from the train split of the blueprint's snapshot, as the trials do.

    Raises:
        InputError: The train split is empty.
    """
    blueprint = store.load(Blueprint, blueprint_id).content
    key = identify_linear_classifier(blueprint, evalset_id, fingerprints.LINEAR_CLASSIFIER.versions())
    return store.find_or_make(Scores, key, lambda: _score(store, blueprint, key))


def classify(texts: Sequence[str], labels: Sequence[str], unseen: Sequence[str]) -> list[str]:
    """Fit on words, word pairs and character n-grams of 3 to 5, and return the predicted labels of unseen texts."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    if len(set(labels)) == 1:
        return [labels[0]] * len(unseen)  # logistic regression needs two labels
    words = {"token_pattern": r"\S+"}  # matches in any text; the default skips words of one letter
    features = make_union(
        TfidfVectorizer(ngram_range=(1, 2), max_features=_MOST_FEATURES, sublinear_tf=True, **words),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), max_features=_MOST_FEATURES, sublinear_tf=True),
    )
    pipeline = make_pipeline(features, LogisticRegression(C=10.0, tol=3e-4, max_iter=200))
    return [str(label) for label in pipeline.fit(texts, labels).predict(unseen)]


def identify_linear_classifier(spec: BlueprintSpec, evalset_id: EvalSetId, packages: Mapping[str, str]) -> ScoresKey:
    """Return the cache key of the linear classifier's scores; packages are those of the scoring interpreter."""
    return ScoresKey(
        model=None,
        linear_classifier=spec.snapshot,
        evalset=evalset_id,
        task=TaskSpec(
            prompt=Prompt.as_id(""),  # it has no prompt: it reads the plain text
            output="text",
            answer={spec.primary: spec.task.answer[spec.primary]},
            field_order=(spec.primary,),
        ),
        max_new_tokens=0,
        scorers=tuple(identify_scorer(scorer) for scorer in _SCORERS),
        code=fingerprints.LINEAR_CLASSIFIER.code(),
        packages=fingerprints.LINEAR_CLASSIFIER.versions(packages),
    )


def _score(store: ObjectStore, spec: BlueprintSpec, key: ScoresKey) -> Scores:
    began = time.monotonic()
    items, labels = _label_items(store, spec, key.evalset)
    fields = (spec.primary,)
    frame = score_items(items, [{spec.primary: label} for label in labels], _SCORERS, fields)
    outputs = items.select("item_id", pl.Series("output", labels, dtype=pl.String))
    result = ScoresResult(
        frame=put_frame(store, frame, SCORES),
        outputs=put_frame(store, outputs, OUTPUTS),
        metrics=compute_metrics(frame, _SCORERS, fields),
        seconds=round(time.monotonic() - began, 3),
    )
    return Scores(key=key, result=result)


def _label_items(store: ObjectStore, spec: BlueprintSpec, evalset_id: EvalSetId) -> tuple[pl.DataFrame, list[str]]:
    """Return the items of an eval set and the predicted label of each."""
    rows, items = read_split(store, spec.snapshot, "train"), read_eval_set(store, evalset_id)
    if rows.is_empty():
        msg = f"snapshot {short(spec.snapshot)} has no rows to train on; raise `prepare.window_days`"
        raise InputError(msg)
    labels = [json.loads(answer)[spec.primary] for answer in rows["answer"]]
    return items, classify(_list_texts(rows), labels, _list_texts(items))


def _list_texts(rows: pl.DataFrame) -> list[str]:
    """Return the text of each row, with the earlier messages of its conversation on lines before it."""
    turns = pl.col("history").list.eval(pl.element().struct.field("content")).list.join("\n")
    return rows.select(pl.concat_str(turns, "text", separator="\n", ignore_nulls=True)).to_series().to_list()
