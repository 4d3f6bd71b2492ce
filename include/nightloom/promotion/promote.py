"""Promote and roll back: the ways in which the champion changes, by a night's verdict or by a person."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from nightloom.artifacts.ids import AdapterId, BaseId
from nightloom.artifacts.models import Adapter, Import, TaskSpec
from nightloom.artifacts.results import Parity, Verdict
from nightloom.core.digests import short
from nightloom.core.errors import ConflictError, InputError
from nightloom.promotion.champions import CHAMPION, Ground
from nightloom.recipes.schema import Recipe
from nightloom.registry.database import Database
from nightloom.registry.nights import is_latest_night
from nightloom.registry.refs import RefMove, move_ref, read_last_move, read_log_tail


@dataclass(frozen=True, slots=True)
class Promotion:
    """What became of a wish to move the champion. A refusal is a value, not a fault."""

    moved: bool
    sentence: str


def promote(database: Database, verdict: Verdict, *, night: date, who: str) -> Promotion:
    """Make the candidate the champion, if the verdict says so and still holds.

    It holds when no later night has begun, and when the champion is the one that the candidate was compared with.
    Running it again says the same and moves nothing twice. An adapter that a person has taken back is not promoted by
    any night: unchanged data would give the same weights tomorrow, and the same verdict.
    """
    decided = verdict.content
    if not decided.promote:
        return Promotion(moved=False, sentence=decided.reason)
    moves = _list_moves(database, decided.recipe)
    undone = _find_undoing(moves, decided.candidate)
    if undone:
        sentence = f"{decided.reason}; but {undone.who} took this adapter back ({undone.why}), so the champion stays"
        return Promotion(moved=False, sentence=sentence)
    if any(move.cites == verdict.id for move in moves):
        return Promotion(moved=True, sentence=decided.reason)
    if not is_latest_night(database, decided.recipe, night):
        return Promotion(moved=False, sentence=f"{decided.reason}; night {night} is not the latest, so no ref moves")
    try:
        move_ref(
            database,
            recipe=decided.recipe,
            name=CHAMPION,
            expected=decided.champion,
            value=decided.candidate,
            night=night,
            who=who,
            why=decided.reason,
            cites=verdict.id,
        )
    except ConflictError as error:
        return Promotion(moved=False, sentence=f"the champion moved after the comparison, make it again: {error}")
    return Promotion(moved=True, sentence=decided.reason)


def promote_by_hand(database: Database, ground: Ground, *, night: date, who: str, why: str) -> Promotion:
    """Make an adapter a recipe's champion because a person says so.

    Args:
        database: The registry.
        ground: The recipe's verdict on the adapter, or its import: what the champion will be asked.
        night: By which it moves.
        who: Moves it.
        why: In the person's words.

    Raises:
        ConflictError: Somebody moved the ref meanwhile.
    """
    recipe = ground.content.recipe
    adapter = ground.content.adapter if isinstance(ground, Import) else ground.content.candidate
    present = read_last_move(database, recipe, CHAMPION)
    if present and (present.new, present.cites) == (adapter, ground.id):
        return Promotion(moved=False, sentence=f"{short(adapter)} is the champion of {recipe} already")
    move_ref(
        database,
        recipe=recipe,
        name=CHAMPION,
        expected=present.new if present else None,
        value=adapter,
        night=night,
        who=who,
        why=why,
        cites=ground.id,
        by_hand=True,
    )
    sentence = f"{short(adapter)} is the champion of {recipe} now; {ground.kind} {short(ground.id)} is cited"
    return Promotion(moved=True, sentence=sentence)


def refuse_unfit(recipe: Recipe, adapter: Adapter, asked: TaskSpec, base_id: BaseId, task: TaskSpec) -> None:
    """Check that an adapter answers what a recipe asks, on the base model that the recipe names.

    Args:
        recipe: What is asked.
        adapter: The adapter.
        asked: What it is asked, by the recipe's verdict on it or by its import.
        base_id: The base model that it must stand on.
        task: What the recipe asks today; an adapter may be asked by an earlier prompt.

    Raises:
        InputError: It does not.
    """
    if asked.model_copy(update={"prompt": task.prompt}) != task:
        msg = (
            f"adapter {short(adapter.id)} answers {', '.join(asked.field_order)} as {asked.output}, recipe "
            f"{recipe.name} asks for {', '.join(task.field_order)} as {task.output}, or allows other values; take one "
            f"that was trained since"
        )
        raise InputError(msg)
    if adapter.content.base != base_id:
        msg = (
            f"adapter {short(adapter.id)} stands on base model {short(adapter.content.base)}, recipe {recipe.name} on "
            f"{short(base_id)}; train it on this one, or name the other in the recipe's `train.base`"
        )
        raise InputError(msg)


def refuse_mismatched(adapter_id: AdapterId, parities: Sequence[Parity]) -> None:
    """Check that an adapter is one and the same model everywhere, as far as that was proved; the last proof counts.

    Raises:
        InputError: It is not.
    """
    if parities and (mismatch := parities[-1].mismatch):
        msg = f"adapter {short(adapter_id)} failed its proof of parity: {mismatch}; promote another one"
        raise InputError(msg)


def roll_back_champion(database: Database, recipe: str, *, night: date, who: str, why: str) -> Promotion:
    """Make the champion before this one the champion again, asked what it was asked then. Twice goes back two steps.

    Raises:
        InputError: There is no earlier champion.
        ConflictError: Somebody moved the ref meanwhile.
    """
    line = _list_line(_list_moves(database, recipe))
    if len(line) < 2:
        msg = f"{recipe} has no earlier champion to go back to; `nightloom model log {recipe}` shows all there were"
        raise InputError(msg)
    earlier, present = line[-2:]
    move_ref(
        database,
        recipe=recipe,
        name=CHAMPION,
        expected=present.new,
        value=earlier.new,
        night=night,
        who=who,
        why=why,
        cites=earlier.cites,
        by_hand=True,
    )
    sentence = f"champion of {recipe} is {short(earlier.new)} again, not {short(present.new)}"
    return Promotion(moved=True, sentence=sentence)


def _list_moves(database: Database, recipe: str) -> list[RefMove]:
    """Return the moves of the champion, oldest first."""
    return read_log_tail(database, recipe, CHAMPION)


def _find_undoing(moves: Sequence[RefMove], adapter_id: AdapterId) -> RefMove | None:
    """Return the move by which a person took an adapter back, if that is the last that happened to it."""
    last = next((move for move in reversed(moves) if adapter_id in (move.old, move.new)), None)
    return last if last and last.old == adapter_id != last.new and last.by_hand else None


def _list_line(moves: Sequence[RefMove]) -> list[RefMove]:
    """Return the moves by which champions came, up to the present one; what was taken back is not among them."""
    line: list[RefMove] = []
    for move in moves:
        champions = [one.new for one in line]
        line = [*(line[: champions.index(move.new)] if move.new in champions else line), move]
    return line
