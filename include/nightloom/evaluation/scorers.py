"""Scorers: score one answer as a number. A scorer implements the Protocol `Scorer` and is found by its name."""

import json
import math
import unicodedata
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, Protocol, runtime_checkable

from nightloom.artifacts.answers import Answer
from nightloom.artifacts.results import Scale
from nightloom.core.errors import InputError
from nightloom.core.extensions import SCORERS, list_extensions, load_extension

Scope = Literal["field", "answer"]

EXACT_MATCH = Scale(kind="binary", unit="exact match", direction="higher", least=0, most=1)
EXACT = EXACT_MATCH.model_copy(update={"unit": "exact"})


@dataclass(frozen=True, slots=True)
class Response:
    """The response to one item, as a scorer sees it.

    Attributes:
        value: Value of the field, or all fields as a JSON object, or None if the output has an invalid format.
        answer: Answer of the model with its token counts, or None if no model was asked.
    """

    value: str | None
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """Score of one answer.

    Attributes:
        value: Value on the scorer's scale, or None if the answer could not be scored. None does not count as wrong.
        explanation: Reason for the value, for people, or None if the value needs none.
    """

    value: float | None
    explanation: str | None = None


@runtime_checkable
class Scorer(Protocol):
    """Scores answers one by one; equal answers and targets get equal scores."""

    @property
    def name(self) -> str:
        """Name of the scorer and of its metrics."""
        ...

    @property
    def version(self) -> str:
        """Version, changed whenever scores may change: scores of two versions are never compared."""
        ...

    @property
    def scope(self) -> Scope:
        """Whether the scorer is called for each field or once for the whole answer."""
        ...

    @property
    def scale(self) -> Scale:
        """Scale of its values."""
        ...

    def score(self, response: Response, target: str) -> Score:
        """Score one answer.

        Args:
            response: Response of the model.
            target: Expected value: the field's value, or all fields as a JSON object.
        """
        ...


class ExactMatch:
    """Whether a field equals the expected text, after Unicode normalisation and without surrounding space."""

    name = "exact_match"
    version = "1"
    scope: Scope = "field"
    scale = EXACT_MATCH

    def score(self, response: Response, target: str) -> Score:
        """Compare character by character; an output with an invalid format is wrong."""
        return Score(float(response.value is not None and _canonical(response.value) == _canonical(target)))


class Exact:
    """Whether all fields equal the expected texts."""

    name = "exact"
    version = "1"
    scope: Scope = "answer"
    scale = EXACT

    def score(self, response: Response, target: str) -> Score:
        """Compare each field as `exact_match` does."""
        if response.value is None:
            return Score(0.0)
        given, expected = json.loads(response.value), json.loads(target)
        return Score(float(all(_canonical(given[field]) == _canonical(expected[field]) for field in expected)))


class Valid:
    """Whether the output has the format that the recipe asks for."""

    name = "valid"
    version = "1"
    scope: Scope = "answer"
    scale = Scale(kind="binary", unit="valid", direction="higher", least=0, most=1)

    def score(self, response: Response, target: str) -> Score:
        """Check the format only."""
        return Score(float(response.value is not None))


BUILT_IN: dict[str, Scorer] = {scorer.name: scorer for scorer in (ExactMatch(), Exact(), Valid())}


def find_scorer(name: str) -> Scorer:
    """Return a scorer of Nightloom or of another package by its name.

    Raises:
        InputError: There is no such scorer, or another package registers an object that is not a scorer.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    known = sorted({*BUILT_IN, *list_extensions(SCORERS)})
    if name not in known:
        close = get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        msg = f"no scorer is named {name!r}; {hint}known: {', '.join(known)}"
        raise InputError(msg)
    found = load_extension(SCORERS, name)
    if not isinstance(found, Scorer) or found.name != name:
        msg = f"the entry point {name!r} of {SCORERS} is not a scorer of that name; implement the Protocol `Scorer`"
        raise InputError(msg)
    return found


def identify_scorer(scorer: Scorer) -> str:
    """Return name and version of a scorer, as in manifests."""
    return f"{scorer.name}/{scorer.version}"


def score_response(scorer: Scorer, response: Response, target: str, item_id: str) -> Score:
    """Score one answer, and refuse an invalid score.

    Raises:
        InputError: The scorer failed, or its value is not on its scale.
    """
    try:
        score = scorer.score(response, target)
        value = None if score.value is None else float(score.value)
    except Exception as error:  # a scorer may raise anything; its message may quote the answer, so it is not shown
        msg = f"scorer {identify_scorer(scorer)} failed on item {item_id} with {type(error).__name__}; fix the scorer"
        raise InputError(msg) from error
    if value is not None and not _is_on(scorer.scale, value):
        msg = f"scorer {identify_scorer(scorer)} returned {value} on item {item_id}, off its scale; fix the scorer"
        raise InputError(msg)
    return Score(value, score.explanation)


def _is_on(scale: Scale, value: float) -> bool:
    if scale.kind == "binary":
        return value in (0.0, 1.0)
    least = -math.inf if scale.least is None else scale.least
    most = math.inf if scale.most is None else scale.most
    return math.isfinite(value) and least <= value <= most


def _canonical(value: str) -> str:
    return unicodedata.normalize("NFC", value).strip()
