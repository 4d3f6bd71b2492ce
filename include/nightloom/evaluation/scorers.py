"""Scorers: what one answer is worth, as a number. A scorer is an object of the Protocol, found by its name."""

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

RIGHT = Scale(kind="binary", unit="right", direction="higher", least=0, most=1)


@dataclass(frozen=True, slots=True)
class Response:
    """What a model answered to one item, as far as a scorer is to judge it.

    Attributes:
        value: The field's value, or all fields as a JSON object; None if the output has not the form asked for.
        answer: What came from the model, with its token counts; None if no model was asked.
    """

    value: str | None
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """What one answer is worth.

    Attributes:
        value: On the scorer's scale; None if it could not be scored, which counts as nothing and not as wrong.
        explanation: Why, for people, where the value does not say it.
    """

    value: float | None
    explanation: str | None = None


@runtime_checkable
class Scorer(Protocol):
    """Scores answers one by one; equal answers and targets have equal scores."""

    @property
    def name(self) -> str:
        """By which it is found and its metrics are named."""
        ...

    @property
    def version(self) -> str:
        """Another one whenever scores may change: those of two versions are never compared."""
        ...

    @property
    def scope(self) -> Scope:
        """Whether it is asked for each field of an answer, or once for the whole."""
        ...

    @property
    def scale(self) -> Scale:
        """What its numbers mean."""
        ...

    def score(self, response: Response, target: str) -> Score:
        """Score one answer.

        Args:
            response: What the model answered.
            target: What was expected: the field's value, or all fields as a JSON object.
        """
        ...


class ExactMatch:
    """Right if a field is the expected text, in one Unicode spelling and without space around."""

    name = "exact_match"
    version = "1"
    scope: Scope = "field"
    scale = RIGHT

    def score(self, response: Response, target: str) -> Score:
        """Compare character by character; an output without the form asked for is wrong."""
        return Score(float(response.value is not None and _canonical(response.value) == _canonical(target)))


class Exact:
    """Right if all fields are."""

    name = "exact"
    version = "1"
    scope: Scope = "answer"
    scale = RIGHT

    def score(self, response: Response, target: str) -> Score:
        """Compare each field as `exact_match` does."""
        if response.value is None:
            return Score(0.0)
        given, expected = json.loads(response.value), json.loads(target)
        return Score(float(all(_canonical(given[field]) == _canonical(expected[field]) for field in expected)))


class Valid:
    """Whether the output has the form that the recipe asks for, whatever it says."""

    name = "valid"
    version = "1"
    scope: Scope = "answer"
    scale = Scale(kind="binary", unit="valid", direction="higher", least=0, most=1)

    def score(self, response: Response, target: str) -> Score:
        """Look at nothing but the form."""
        return Score(float(response.value is not None))


BUILT_IN: dict[str, Scorer] = {scorer.name: scorer for scorer in (ExactMatch(), Exact(), Valid())}


def find_scorer(name: str) -> Scorer:
    """Return the scorer of this name, of Nightloom or of another package.

    Raises:
        InputError: There is none, or what another package registers is no scorer.
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
        msg = f"what a package registers as scorer {name!r} is no scorer of that name; see the Protocol `Scorer`"
        raise InputError(msg)
    return found


def identify_scorer(scorer: Scorer) -> str:
    """Return name and version, as manifests have them."""
    return f"{scorer.name}/{scorer.version}"


def score_response(scorer: Scorer, response: Response, target: str, item_id: str) -> Score:
    """Score one answer, and refuse what is no score.

    Raises:
        InputError: The scorer failed, or its value is not on its scale.
    """
    try:
        score = scorer.score(response, target)
        value = None if score.value is None else float(score.value)
    except Exception as error:  # it may be somebody's program; its message may quote the answer, so it is not told
        msg = f"scorer {identify_scorer(scorer)} failed on item {item_id} by {type(error).__name__}; correct it"
        raise InputError(msg) from error
    if value is not None and not _is_on(scorer.scale, value):
        msg = f"scorer {identify_scorer(scorer)} gave {value} on item {item_id}, which is not on its scale; correct it"
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
