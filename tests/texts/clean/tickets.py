"""Tickets: a few sentences of other kinds, with a greeting, a table or code, and in two languages at once."""

from . import code, games, identifiers, languages, logs, measures, money, tables, times
from .draw import Draw, Kind

OPENINGS = (
    "Hello, ", "Hi team,\n", "", "", "Good morning, one question: ", "Update: ", "Guten Tag,\n", "Bonjour,\n", "> ",
    "Still open. ", "Quick note: ", "FYI ",
)  # fmt: skip
CLOSINGS = ("", "", " Thanks!", " Please check.", "\nDanke!", "\nMerci d'avance", " Any idea?", "\n--\nThe night shift")
REQUESTS = (
    "Could you look at this?", "This came back after the update.", "Das passt nicht zusammen:", "Ceci ne va pas :",
    "The ⟨n 2-9⟩ values below are wrong:", "Since ⟨t %d %B⟩ we see this:", "Lo mismo desde hace ⟨n 2-30⟩ días:",
)  # fmt: skip
SENTENCES = tuple(languages.KINDS.values())
FACTS = (
    identifiers.KINDS["orders"], identifiers.KINDS["invoices"], identifiers.KINDS["articles"], identifiers.KINDS["tickets"],
    measures.KINDS["weights_and_lengths"], times.KINDS["american_dates"], times.KINDS["german_dates"],
    code.KINDS["versions"], logs.KINDS["error_codes"], money.KINDS["dollars_and_pounds"], games.KINDS["scores"],
)  # fmt: skip
BLOCKS = (*tables.KINDS.values(), code.python, code.sql, code.configuration, code.traceback, logs.log_lines)


def with_greeting(draw: Draw) -> str:
    kinds = (draw.pick(*SENTENCES), *draw.random.sample(FACTS, draw.n(1, 2)))
    return draw.pick(*OPENINGS) + _together(draw, kinds) + draw.pick(*CLOSINGS)


def with_block(draw: Draw) -> str:
    request, block = draw.fill(draw.pick(*REQUESTS)), draw.pick(*BLOCKS)(draw)
    fence = draw.pick("", "", "```\n")
    return f"{draw.pick(*OPENINGS)}{request}\n\n{fence}{block}\n{fence}".strip() + draw.pick(*CLOSINGS)


def in_two_languages(draw: Draw) -> str:
    return _together(draw, draw.random.sample(SENTENCES, 2))


def _together(draw: Draw, kinds: tuple[Kind, ...] | list[Kind]) -> str:
    return draw.pick(" ", "\n").join(kind(draw) for kind in kinds)


KINDS: dict[str, Kind] = {
    "with_greeting": with_greeting,
    "with_block": with_block,
    "in_two_languages": in_two_languages,
}
