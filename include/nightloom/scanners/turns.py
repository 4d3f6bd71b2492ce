"""Turns: the earlier messages of a conversation are cleaned as its last one is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nightloom.artifacts.histories import History, Turn
from nightloom.scanners.clean import Finding, clean_text


@dataclass(frozen=True, slots=True)
class CleanHistory:
    """The turns before a conversation's last question, after cleaning."""

    turns: list[Turn] | None
    repairs: tuple[str, ...] = ()
    finding: Finding | None = None


def clean_history(history: History | None, checks: Mapping[str, Any]) -> CleanHistory:
    """Clean every turn; the first one that cannot be used says why the conversation cannot be.

    Args:
        history: As it was received; none where there is nothing before the last question.
        checks: The settings of `clean_text`. That a turn is empty is no reason: only the last message must not be.
    """
    if history is None:
        return CleanHistory(None)
    turns: list[Turn] = []
    repairs: dict[str, None] = {}
    for turn in history:
        # A system message speaks to the model by right.
        more = {"prompt_injections": "keep"} if turn["role"] == "system" else {}
        cleaned = clean_text(turn["content"], **{**checks, **more})
        if cleaned.finding and cleaned.finding.rule != "empty_text":
            return CleanHistory([dict(one) for one in history], finding=cleaned.finding)
        turns.append({"content": cleaned.text, "role": turn["role"]})
        repairs.update(dict.fromkeys(cleaned.repairs))
    return CleanHistory(turns, tuple(repairs))
