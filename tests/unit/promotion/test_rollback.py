"""Rollback: it takes back the last promotion, by a night or a person, that was not taken back."""

import itertools
from collections.abc import Callable, Sequence
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nightloom.artifacts.ids import AdapterId
from nightloom.artifacts.models import Adapter, AdapterContent, AdapterProvenance, Import, ModelFile, TaskSpec
from nightloom.base_models.dummy import DUMMY_FILE
from nightloom.core.digests import digest_bytes
from nightloom.core.errors import InputError
from nightloom.core.nights import utc_now
from nightloom.core.store import ObjectStore
from nightloom.promotion.promote import promote_by_hand, roll_back_champion
from nightloom.registry.database import Database
from nightloom.registry.refs import move_ref, read_last_move, read_log_tail, read_ref, verify_log

from tests.factories.manifests import BASE

NIGHT = date(2026, 11, 23)
BACK = "back"


@pytest.fixture
def dummies(store: ObjectStore) -> dict[str, AdapterId]:
    """Three adapters, which have no weights to prove, by name."""

    def publish(name: str) -> AdapterId:
        file = ModelFile(path=DUMMY_FILE, sha256=digest_bytes(name.encode()), size_bytes=1)
        content = AdapterContent(base=BASE, method="lora", files=(file,))
        return store.publish(Adapter(content=content, provenance=AdapterProvenance())).id

    return {name: publish(name) for name in "XYZ"}


class Champions:
    """The champion of a recipe, moved by hand (X), by a night (x) and back."""

    def __init__(self, store: ObjectStore, registry: Database, dummies: dict[str, AdapterId], recipe: str) -> None:
        self.store, self.registry, self.dummies, self.recipe = store, registry, dummies, recipe
        self.names = {adapter: name for name, adapter in dummies.items()}

    @property
    def now(self) -> str | None:
        present = read_ref(self.registry, self.recipe, "champion")
        return self.names[Adapter.as_id(present)] if present else None

    def move(self, step: str) -> None:
        if step == BACK:
            roll_back_champion(self.store, self.registry, self.recipe, night=NIGHT, who="ada", why="complaints")
        elif step.isupper():
            self.promote_by_hand(self.dummies[step])
        else:
            present = read_ref(self.registry, self.recipe, "champion")
            move_ref(
                self.registry,
                recipe=self.recipe,
                name="champion",
                expected=present,
                value=self.dummies[step.upper()],
                night=NIGHT,
                who="cron",
                why="BETTER",
            )

    def promote_by_hand(self, adapter: AdapterId, prompt: str = "prompt") -> str:
        task = TaskSpec(prompt=prompt, output="text", answer={"team": None}, field_order=("team",))
        imported = Import(
            content=Import.Content(recipe=self.recipe, adapter=adapter, task=task),
            provenance=Import.Provenance(source="tuned", imported_at=utc_now()),
        )
        promote_by_hand(self.store, self.registry, imported, night=NIGHT, who="ada", why="a test")
        return imported.id


@pytest.fixture
def champions(store: ObjectStore, registry: Database, dummies: dict[str, AdapterId]) -> Callable[[str], Champions]:
    return lambda recipe: Champions(store, registry, dummies, recipe)


@pytest.mark.parametrize(
    ("steps", "before"),
    [("XYX", "YX"), ("XYZY", "ZYX"), ("xyx", "YX"), ("XyXy", "XYX"), ("XYXYX", "YXYX"), ("XXY", "X")],
    ids=["by hand", "one in between", "by nights", "both", "again and again", "the same one twice"],
)
def test_rollback_goes_back_champion_by_champion(
    champions: Callable[[str], Champions], steps: str, before: str
) -> None:
    moved = champions("triage")
    for step in steps:
        moved.move(step)
    for champion in before:
        moved.move(BACK)
        assert moved.now == champion
    with pytest.raises(InputError, match=r"no previous champion.*`nightloom model promote ADAPTER triage --reason"):
        moved.move(BACK)


def test_promotion_after_a_rollback_is_taken_back(champions: Callable[[str], Champions]) -> None:
    moved = champions("triage")
    for step, champion in [("X", "X"), ("Y", "Y"), (BACK, "X"), ("Z", "Z"), (BACK, "X"), ("Y", "Y"), (BACK, "X")]:
        moved.move(step)
        assert moved.now == champion


def test_rollback_restores_the_last_task(champions: Callable[[str], Champions], registry: Database) -> None:
    moved = champions("triage")
    moved.move("X")
    cited = moved.promote_by_hand(moved.dummies["X"], prompt="a later prompt")
    moved.move("Y")
    moved.move(BACK)
    (last,) = read_log_tail(registry, "triage", "champion", limit=1)
    assert (moved.now, last.cites) == ("X", cited)


def test_rollback_undoes_every_promotion(champions: Callable[[str], Champions], registry: Database) -> None:
    numbers = itertools.count()

    @settings(max_examples=25)
    @given(steps=st.lists(st.sampled_from([*"XYZxyz", BACK, BACK, BACK]), max_size=12))
    def check(steps: Sequence[str]) -> None:
        moved, line = champions(f"recipe_{next(numbers)}"), list[str]()
        for step in steps:
            if step != BACK:
                moved.move(step)
                line += [step.upper()] if line[-1:] != [step.upper()] else []
            elif len(line) > 1:
                moved.move(BACK)
                line.pop()
            else:
                with pytest.raises(InputError):
                    moved.move(BACK)
            assert moved.now == (line[-1] if line else None)

    check()
    verify_log(registry)


def test_log_names_the_move_taken_back(champions: Callable[[str], Champions], registry: Database) -> None:
    moved = champions("triage")
    for step in ("X", "Y", BACK):
        moved.move(step)
    last = read_last_move(registry, "triage", "champion")
    assert last is not None
    assert (last.number, last.undoes, last.by_hand) == (3, 2, True)
