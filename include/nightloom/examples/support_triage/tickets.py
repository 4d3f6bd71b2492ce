"""Tickets: all tickets created on one day, with all their saves on that day and later."""

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from random import Random
from typing import Literal

from nightloom.examples.support_triage.faults import DAMAGES, TWINS, near_copy
from nightloom.examples.support_triage.grammar import TEAMS, URGENCIES, Answer, make_random, write_problem

Status = Literal["open", "answered", "corrected"]

LATEST_SAVE_DAYS = 8
"""No ticket is saved more than this many days after its creation."""

_ANSWERED = 0.85
_CORRECTED = 0.03
_WRONG_LABEL = 0.05
_PLANTED = 0.01


@dataclass(frozen=True, slots=True)
class Save:
    """One version of a ticket; the answer is None while the ticket is open."""

    ticket_id: str
    created_at: datetime
    updated_at: datetime
    status: Status
    text: str
    answer: Answer | None


@dataclass(frozen=True, slots=True)
class Fault:
    """A planted fault with its expected outcome and rule; the rule of a kept ticket is empty."""

    ticket_id: str
    kind: str
    outcome: str
    rule: str


@dataclass(frozen=True, slots=True)
class _Ticket:
    ticket_id: str
    created_at: datetime
    text: str
    answer: Answer


# A day's tickets are saved on the following days too, and each of these days asks for them again.
@lru_cache(maxsize=LATEST_SAVE_DAYS + 1)
def born_on(seed: int, day: date, tickets_per_day: int) -> tuple[tuple[Save, ...], tuple[Fault, ...]]:
    """Return saves and faults of all tickets created on a day; they depend only on the arguments.

    Weekends are quieter. A planted ticket is always answered and never corrected: a correction is a newer version,
    which would make the twin the older of the two. A twin is answered later on the same day as the first, so that a cut
    between two days has both or neither. A wrong label has no twin that contradicts it: nothing can find it, and the
    ticket is expected to be kept.
    """
    random = make_random("tickets", seed, day.isoformat())
    count = round(tickets_per_day * (0.8 if day.weekday() >= 5 else 1.08))
    saves: list[Save] = []
    faults: list[Fault] = []
    for number in range(count):
        ticket = _receive(random, day, number)
        draw = random.random()
        kind = [*DAMAGES, *TWINS][int(draw / _PLANTED)] if draw < _PLANTED * (len(DAMAGES) + len(TWINS)) else None
        if kind in DAMAGES:
            saved, planted = _damage(random, ticket, kind)
        elif kind in TWINS:
            saved, planted = _twin(random, ticket, kind, f"T-{day:%Y%m%d}-{count + number:04d}")
        else:
            saved, planted = _live(random, ticket)
        saves += saved
        faults += planted
    return tuple(saves), tuple(faults)


def _receive(random: Random, day: date, number: int) -> _Ticket:
    problem = write_problem(random)
    created_at = datetime.combine(day, time.min) + timedelta(seconds=random.randint(0, 80_000))
    return _Ticket(f"T-{day:%Y%m%d}-{number:04d}", created_at, problem.text, problem.answer)


def _draw_answer_time(random: Random, ticket: _Ticket) -> datetime:
    morning = datetime.combine(ticket.created_at.date(), time.min) + timedelta(days=random.randint(1, 3), hours=8)
    return morning + timedelta(seconds=random.randint(0, 30_000))


def _damage(random: Random, ticket: _Ticket, kind: str) -> tuple[list[Save], list[Fault]]:
    damage, outcome, rule = DAMAGES[kind]
    damaged = replace(ticket, text=damage(random, ticket.text))
    return _saves(damaged, _draw_answer_time(random, ticket)), [Fault(ticket.ticket_id, kind, outcome, rule)]


def _twin(random: Random, first: _Ticket, kind: str, twin_id: str) -> tuple[list[Save], list[Fault]]:
    outcome, rule = TWINS[kind]
    answered_at = _draw_answer_time(random, first)
    twin = replace(first, ticket_id=twin_id, created_at=first.created_at + timedelta(minutes=random.randint(1, 90)))
    twin_answered_at = answered_at + timedelta(minutes=random.randint(1, 90))
    if kind == "near_duplicate":
        twin = replace(twin, text=near_copy(random, first.text))
    faults = [Fault(twin.ticket_id, kind, outcome, rule)]
    if kind == "contradicting_label":
        twin = replace(twin, answer=_with_another_team(random, first.answer))
        # It is unknown which of the two is right, so both are expected to be quarantined.
        faults.append(Fault(first.ticket_id, kind, outcome, rule))
    return _saves(first, answered_at) + _saves(twin, twin_answered_at), faults


def _live(random: Random, ticket: _Ticket) -> tuple[list[Save], list[Fault]]:
    if random.random() >= _ANSWERED:
        return [_opened(ticket)], []
    answered_at = _draw_answer_time(random, ticket)
    draw = random.random()
    if draw < _WRONG_LABEL:
        wrong = replace(ticket, answer=_with_another_team(random, ticket.answer))
        return _saves(wrong, answered_at), [Fault(ticket.ticket_id, "wrong_label", "kept", "")]
    if draw < _WRONG_LABEL + _CORRECTED:
        return _saves_of_corrected(random, ticket, answered_at), []
    return _saves(ticket, answered_at), []


def _with_another_team(random: Random, answer: Answer) -> Answer:
    return replace(answer, team=random.choice([team for team in TEAMS if team != answer.team]))


def _saves_of_corrected(random: Random, ticket: _Ticket, answered_at: datetime) -> list[Save]:
    """Return an answer with a wrong urgency, and a correction one to five days later."""
    other = random.choice([urgency for urgency in URGENCIES if urgency != ticket.answer.urgency])
    hasty = replace(ticket, answer=replace(ticket.answer, urgency=other))
    corrected_at = answered_at + timedelta(days=random.randint(1, 4), minutes=random.randint(1, 600))
    return [*_saves(hasty, answered_at), _answered(ticket, corrected_at, "corrected")]


def _saves(ticket: _Ticket, answered_at: datetime) -> list[Save]:
    return [_opened(ticket), _answered(ticket, answered_at, "answered")]


def _opened(ticket: _Ticket) -> Save:
    return Save(ticket.ticket_id, ticket.created_at, ticket.created_at, "open", ticket.text, None)


def _answered(ticket: _Ticket, moment: datetime, status: Status) -> Save:
    return Save(ticket.ticket_id, ticket.created_at, moment, status, ticket.text, ticket.answer)
