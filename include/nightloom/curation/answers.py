"""Answers: what is wrong with one, and what it says in the fields that have a fixed set of values."""

import json
from collections.abc import Mapping

from nightloom.core.digests import canonical_json
from nightloom.core.recipes import AnswerField
from nightloom.scanners.clean import Finding


def check_answer(given: str | None, answer: Mapping[str, AnswerField]) -> Finding | None:
    """Say why an answer cannot be learned from; the reason names fields and shows no values."""
    values = json.loads(given) if given else {}
    missing = [name for name in answer if values.get(name) is None]
    if missing:
        return Finding("missing_answer", ",".join(missing), "all fields")
    foreign = [name for name, field in answer.items() if field.one_of and values[name] not in field.one_of]
    return Finding("invalid_answer", ",".join(foreign), "one_of") if foreign else None


def closed_answer(given: str | None, answer: Mapping[str, AnswerField]) -> str:
    """Give the part of an answer in which two rows may contradict each other.

    That is the fields with a fixed set of values, or all of them where there is no such field: two replies in free
    text may differ and both be right.
    """
    closed = [name for name, field in answer.items() if field.one_of] or list(answer)
    values = json.loads(given) if given else {}
    return canonical_json({name: values.get(name) for name in closed}).decode()
