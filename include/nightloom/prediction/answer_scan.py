"""Answer scan: redact or withhold a model's answers by the rules for the rows that it is asked about."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import polars as pl

from nightloom.artifacts.answers import Answer, Scanned, add_up
from nightloom.artifacts.models import Checks, TaskSpec
from nightloom.artifacts.predictions import PredictionPlanContent
from nightloom.core.digests import digest_json
from nightloom.engines.answers import AnswerScan
from nightloom.prompts.templates import parse_output, render_target
from nightloom.scanners.clean import CleanText, find_in_texts
from nightloom.scanners.conversations import choose_for_answers

# No names of fields.
_WHOLE = "<whole text>"
_OUTSIDE = "<outside the text>"

_ESCAPE = re.compile(r'\\(?:u([\da-fA-F]{4})|(["\\/bfnrt]))')
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def make_scan(plan: PredictionPlanContent) -> AnswerScan | None:
    """Return the scan of a plan's answers, or None if the recipe keeps whatever is found in them."""
    checks = choose_for_answers(plan.checks)
    if all(action == "keep" for action in checks.actions.values()):
        return None
    task, kept = plan.task.model_dump(mode="json"), plan.checks.model_dump(mode="json")
    digest = digest_json([task, kept, plan.code, plan.packages])
    return AnswerScan(digest, partial(_scan_answers, plan.task, checks, digest))


def _scan_answers(task: TaskSpec, checks: Checks, digest: str, answers: Sequence[Answer]) -> list[Answer]:
    pieces = [(index, *piece) for index, answer in enumerate(answers) for piece in _list_pieces(task, answer)]
    if not pieces:
        return list(answers)
    matching: dict[int, dict[str, CleanText]] = {}
    texts = pl.Series([text for _, _, text in pieces], dtype=pl.String)
    for position, cleaned in find_in_texts(texts, checks).items():
        index, name, _ = pieces[position]
        matching.setdefault(index, {})[name] = cleaned
    return [
        _change(task, answer, digest, matching[index]) if index in matching else answer
        for index, answer in enumerate(answers)
    ]


def _list_pieces(task: TaskSpec, answer: Answer) -> Iterator[tuple[str, str]]:
    """Return the texts to scan, each with the name of its field.

    A value of a fixed set is none of them: it is the recipe's own text, and changing it would make it invalid.
    """
    fields = _parse(task, answer)
    if fields is None:
        yield _WHOLE, _unescape(answer.text) if task.output == "json" else answer.text
    else:
        yield from ((name, value) for name, value in fields.items() if task.answer.get(name) is None)
    outside = [answer.reasoning or "", *(call.arguments for call in answer.tool_calls)]
    if any(outside):
        yield _OUTSIDE, _unescape("\n".join(outside))


def _parse(task: TaskSpec, answer: Answer) -> dict[str, str] | None:
    return parse_output(answer, task.field_order, task.answer, task.output)


def _unescape(text: str) -> str:
    r"""Write the escapes of JSON as what they mean, because `\n` would be a letter next to a number."""
    plain = _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else _ESCAPED.get(found[2], found[2]), text)
    # Two escapes may be one character.
    return plain if plain == text else plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _change(task: TaskSpec, answer: Answer, digest: str, cleaned: Mapping[str, CleanText]) -> Answer:
    """Return an answer with its text redacted or left out, and without whatever else might repeat the matches."""
    is_withheld = any(one.reason for one in cleaned.values())
    found = add_up(found for one in cleaned.values() for found in one.found)
    return Answer(
        text="" if is_withheld else _redact(task, answer, cleaned),
        finish_reason="content_filter" if is_withheld else answer.finish_reason,
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
        seconds=answer.seconds,
        scanned=Scanned(by=digest, found=found, withheld=is_withheld),
    )


def _redact(task: TaskSpec, answer: Answer, cleaned: Mapping[str, CleanText]) -> str:
    if _WHOLE in cleaned:
        return cleaned[_WHOLE].text
    fields = _parse(task, answer) or {}
    changed = {name: one.text for name, one in cleaned.items() if name in fields}
    return render_target({**fields, **changed}, task.field_order, task.output) if changed else answer.text
