"""Promote and roll back: move the champion ref by a night's verdict or by hand."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from nightloom.artifacts.ids import AdapterId, BaseId, BlueprintId
from nightloom.artifacts.models import Adapter, Import, TaskSpec
from nightloom.artifacts.results import Verdict
from nightloom.core.digests import short
from nightloom.core.errors import ConflictError, InputError
from nightloom.core.store import ObjectStore
from nightloom.promotion.champions import CHAMPION, Citation
from nightloom.promotion.drift import describe_drift, name_replacement
from nightloom.promotion.proofs import require_parity
from nightloom.recipes.schema import Recipe
from nightloom.registry.database import Database
from nightloom.registry.nights import is_latest_night
from nightloom.registry.refs import RefMove, move_ref, read_last_move, read_log_tail

_BLOCKED = "the candidate is {finding}, but not promoted, since {why}; {remedy}; verdict: {reason}"


@dataclass(frozen=True, slots=True)
class Promotion:
    """Result of a promotion or rollback. A refusal is a value, not an error.

    Attributes:
        moved: Whether the candidate is the champion.
        message: Explanation for people.
        is_blocked: Whether the verdict allows the promotion, and something else prevented it.
    """

    moved: bool
    message: str
    is_blocked: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """Why a candidate that passed all gates was not promoted, and what to do about it, as parts of a message."""

    why: str
    remedy: str


def block(verdict: Verdict, why: str, remedy: str | None = None) -> Promotion:
    """Return the refusal of a promotion that the verdict allows.

    Args:
        verdict: The verdict.
        why: What prevented the promotion, as the part of a sentence.
        remedy: What promotes the candidate nevertheless, or None for a promotion by hand.
    """
    decided = verdict.content
    command = name_replacement(decided.recipe, short(decided.candidate))
    message = _BLOCKED.format(
        finding=decided.finding, why=why, remedy=remedy or f"{command} promotes it by hand", reason=decided.reason
    )
    return Promotion(moved=False, message=message, is_blocked=True)


def read_block(message: str) -> Block | None:
    """Return the block that an outcome's message reports, or None if it reports none."""
    found = re.fullmatch(
        _BLOCKED.format(finding="[A-Z_]+", why="(.+?)", remedy="(`nightloom [^;]+)", reason=".*"), message, re.DOTALL
    )
    return Block(*found.groups()) if found else None


def promote(database: Database, verdict: Verdict, *, night: date, who: str) -> Promotion:
    """Promote the candidate if the verdict allows it and is still valid.

    A verdict is valid while no later night has begun and the champion is the one that it compared with. Running this
    again moves no ref twice. No night promotes an adapter that a person has rolled back: unchanged data would give the
    same weights, and the same verdict, tomorrow.
    """
    decided = verdict.content
    if not decided.promote:
        return Promotion(moved=False, message=decided.reason)
    moves = _list_moves(database, decided.recipe)
    rollback = _find_rollback(moves, decided.candidate)
    if rollback:
        return block(verdict, f"{rollback.who} rolled this adapter back ({rollback.why})")
    if any(move.cites == verdict.id for move in moves) or _is_champion(moves, decided.candidate):
        return Promotion(moved=True, message=decided.reason)
    if not is_latest_night(database, decided.recipe, night):
        return block(verdict, f"night {night} is not the latest, and only that one moves the champion")
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
    except ConflictError:
        again = f"`nightloom run {decided.recipe} --night {night}` compares again"
        return block(verdict, "the champion changed after the comparison", again)
    return Promotion(moved=True, message=decided.reason)


def hold_back(database: Database, verdict: Verdict, blueprint_id: BlueprintId) -> Promotion:
    """Return the result for a stored blueprint, which moves no ref: it is not based on the night's own data."""
    decided, why = verdict.content, f"blueprint {short(blueprint_id)} was chosen by hand, so no ref moves"
    if decided.promote and not _is_champion(_list_moves(database, decided.recipe), decided.candidate):
        return block(verdict, why)
    return Promotion(moved=False, message=f"{decided.reason}; {why}")


def promote_by_hand(
    store: ObjectStore, database: Database, citation: Citation, *, night: date, who: str, why: str
) -> Promotion:
    """Promote an adapter by hand, once it is proved to be served as it was trained.

    Args:
        store: Holds the adapter, and gets the proof.
        database: The registry.
        citation: The recipe's verdict on the adapter, or its import, which defines the task of the champion.
        night: Night that the move is recorded for.
        who: Person who promotes it.
        why: Reason in the person's words.

    Raises:
        InputError: The adapter failed its proof of parity.
        ConflictError: The ref was moved in the meantime.
    """
    recipe = citation.content.recipe
    adapter = citation.content.adapter if isinstance(citation, Import) else citation.content.candidate
    present = read_last_move(database, recipe, CHAMPION)
    # A move that was dated by a night to come would outlast the next ones: it may be made again.
    if present and (present.new, present.cites) == (adapter, citation.id) and present.night <= night:
        return Promotion(moved=False, message=f"{short(adapter)} is already the champion of {recipe}")
    require_parity(store, adapter, citation.id)
    move_ref(
        database,
        recipe=recipe,
        name=CHAMPION,
        expected=present.new if present else None,
        value=adapter,
        night=night,
        who=who,
        why=why,
        cites=citation.id,
        by_hand=True,
    )
    message = f"{short(adapter)} is now the champion of {recipe}, by {citation.kind} {short(citation.id)}"
    return Promotion(moved=True, message=message)


def refuse_unfit(recipe: Recipe, adapter: Adapter, asked: TaskSpec, base_id: BaseId, task: TaskSpec) -> None:
    """Refuse an adapter that does not fit a recipe's task or base model.

    Args:
        recipe: The recipe.
        adapter: The adapter.
        asked: Task of the adapter, from the recipe's verdict on it or from its import.
        base_id: Base model of the recipe.
        task: Current task of the recipe; the adapter's prompt may be an earlier version.

    Raises:
        InputError: The adapter does not fit.
    """
    if drift := describe_drift(asked, task):
        msg = f"adapter {short(adapter.id)} {drift}; choose an adapter of {recipe.name} that was trained since"
        raise InputError(msg)
    if adapter.content.base != base_id:
        msg = (
            f"adapter {short(adapter.id)} is for base model {short(adapter.content.base)}, but recipe "
            f"{recipe.name} uses {short(base_id)}; train an adapter for it, or change the recipe's `train.base`"
        )
        raise InputError(msg)


def roll_back_champion(
    store: ObjectStore, database: Database, recipe: str, *, night: date, who: str, why: str
) -> Promotion:
    """Make the previous champion the champion again, with its task of then. Twice goes back two champions.

    The previous champion is the one from before the last promotion, by a night or a person, that was not taken back.

    Raises:
        InputError: There is no previous champion, or it failed its proof of parity.
        ConflictError: The ref was moved in the meantime.
    """
    line = _list_promotions(_list_moves(database, recipe))
    if len(line) < 2:
        msg = (
            f"{recipe} has no previous champion to roll back to; `nightloom model log {recipe}` lists all that it had, "
            f"and {name_replacement(recipe)} brings one back"
        )
        raise InputError(msg)
    earlier, present = line[-2:]
    require_parity(store, Adapter.as_id(earlier.new), earlier.cites)
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
        undoes=present.number,
    )
    message = f"champion of {recipe} is {short(earlier.new)} again, not {short(present.new)}"
    return Promotion(moved=True, message=message)


def _list_moves(database: Database, recipe: str) -> list[RefMove]:
    """Return the moves of the champion, oldest first."""
    return read_log_tail(database, recipe, CHAMPION)


def _is_champion(moves: Sequence[RefMove], adapter_id: AdapterId) -> bool:
    return bool(moves) and moves[-1].new == adapter_id


def _find_rollback(moves: Sequence[RefMove], adapter_id: AdapterId) -> RefMove | None:
    """Return the rollback of an adapter by a person, or None if its last move was something else."""
    last = next((move for move in reversed(moves) if adapter_id in (move.old, move.new)), None)
    return last if last and last.old == adapter_id != last.new and last.by_hand else None


def _list_promotions(moves: Sequence[RefMove]) -> list[RefMove]:
    """Return the promotions that lead to the present champion, oldest first, without those taken back."""
    line: list[RefMove] = []
    for move in moves:
        if move.undoes is not None:
            line = [one for one in line if one.number < move.undoes]
        elif line and line[-1].new == move.new:
            line[-1] = move  # the same champion, with another task or date
        else:
            line.append(move)
    return line
