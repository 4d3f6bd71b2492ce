"""A world of two teams: an eval set, a snapshot, a blueprint, and models whose answers are written down."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import polars as pl
import pytest
from nightloom.artifacts.answers import Answer, Request
from nightloom.artifacts.blueprints import Blueprint
from nightloom.artifacts.data import (
    EvalSetContent,
    EvalSetManifest,
    EvalSetProvenance,
    Snapshot,
    SnapshotContent,
    SnapshotFile,
    SnapshotProvenance,
)
from nightloom.artifacts.frames import EVAL_ITEMS, EXAMPLES, get_frame, put_frame
from nightloom.artifacts.leaves import rows_root
from nightloom.artifacts.prompts import Prompt, PromptContent, PromptMessage, PromptProvenance
from nightloom.blueprints.compile import draft_blueprint, publish_blueprint
from nightloom.core.store import ObjectStore
from nightloom.recipes.schema import Recipe

from tests.factories.asking import make_answer

RECIPE: dict[str, Any] = {
    "name": "triage",
    "owner": "support",
    "task": {
        "columns": {"text": "body"},
        "answer": {"team": {"column": "team", "one_of": ["billing", "sales"]}, "urgency": {"column": "urgency"}},
        "primary": "team",
        "prompt": "triage/1",
    },
    "prepare": {"source": {"kind": "files", "path": "tickets.csv"}},
    "train": {"trainer": "dummy", "base": "dummy"},
    "evaluate": {
        "sets": [{"name": "held_out", "source": {"kind": "files", "path": "e.csv"}, "columns": {"text": "body"}}]
    },
}

MakeBlueprint = Callable[..., Blueprint]
MakeEvalSet = Callable[..., EvalSetManifest]


class ScriptedEngine:
    """Answers each text with what is written down for it, and counts how often it was asked."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = answers
        self.asked = 0

    def answer(self, requests: Sequence[Request]) -> Iterator[Mapping[int, Answer]]:
        self.asked += 1
        yield {n: make_answer(self.answers[str(one.messages[-1]["content"])]) for n, one in enumerate(requests)}


def answer(team: str, urgency: str = "low") -> str:
    return json.dumps({"team": team, "urgency": urgency})


@pytest.fixture
def make_eval_set(store: ObjectStore) -> MakeEvalSet:
    """Freeze (text, team, slice) as items i000, i001, …, all with urgency `low` and one history, if any."""

    def make(
        rows: Sequence[tuple[str, str, str | None]],
        name: str = "held_out",
        history: Sequence[dict[str, str]] | None = None,
    ) -> EvalSetManifest:
        items = pl.DataFrame(
            [(f"i{n:03}", f"c{n:03}", text, answer(team), part, history) for n, (text, team, part) in enumerate(rows)],
            schema=EVAL_ITEMS,
            orient="row",
        )
        blob = put_frame(store, items, EVAL_ITEMS)
        root = rows_root(get_frame(store, blob, EVAL_ITEMS))
        return store.publish(
            EvalSetManifest(
                content=EvalSetContent(name=name, rows_root=root, items=items.height),
                provenance=EvalSetProvenance(frame=blob),
            )
        )

    return make


@pytest.fixture
def make_snapshot(store: ObjectStore) -> Callable[[Sequence[tuple[str, str]]], Snapshot]:
    """Freeze (text, team) as training rows."""

    def make(rows: Sequence[tuple[str, str]]) -> Snapshot:
        frame = pl.DataFrame(
            [(f"r{n:03}", f"c{n:03}", "train", text, answer(team), None, None) for n, (text, team) in enumerate(rows)],
            schema=EXAMPLES,
            orient="row",
        )
        blob = put_frame(store, frame, EXAMPLES)
        file = SnapshotFile(sha256=blob, rows=frame.height, first_id="r000", last_id=f"r{frame.height - 1:03}")
        return store.publish(
            Snapshot(
                content=SnapshotContent(
                    rows_root=rows_root(frame), columns=tuple(EXAMPLES), splits={"train": frame.height}
                ),
                provenance=SnapshotProvenance(files=(file,), recipe="triage", night="2026-11-23", parent=None),
            )
        )

    return make


@pytest.fixture
def make_blueprint(store: ObjectStore) -> MakeBlueprint:
    """Compile the recipe on the given eval sets; `gate` and `snapshot` may be said."""

    def make(
        *eval_sets: EvalSetManifest, snapshot: str = "5" * 64, prompt: str = "{{ text }}", **gate: Any
    ) -> Blueprint:
        asked = Prompt(
            content=PromptContent(messages=(PromptMessage(role="user", content=prompt),)),
            provenance=PromptProvenance(name="triage/1"),
        )
        draft = draft_blueprint(
            Recipe.model_validate({**RECIPE, "gate": gate}),
            night=date(2026, 11, 23),
            snapshot_id=snapshot,
            base_id="b" * 64,
            prompt=asked,
            eval_sets=eval_sets,
        )
        return publish_blueprint(store, draft, asked)

    return make


@pytest.fixture
def scripted() -> type[ScriptedEngine]:
    return ScriptedEngine
