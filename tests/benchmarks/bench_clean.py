"""Cleaning of texts a column at a time, compared with cleaning them one by one.

Workload: 65,536 tickets of 450 to 550 characters by the example's grammar, seed 1; one in fifty has an address, a
telephone, an account or a card. Processor time of one thread, so that other work on the machine counts little.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import polars as pl
from nightloom.examples.support_triage.faults import pii
from nightloom.examples.support_triage.grammar import make_random, write_problem
from nightloom.recipes.preparation import Prepare
from nightloom.recipes.sources import FilesSource
from nightloom.scanners.clean import clean_text, clean_texts
from nightloom.scanners.registry import make_checks

ROWS = 65_536
ONE_BY_ONE = 4_096


def measure(_names: set[str], _folder: Path) -> Iterator[tuple[str, float, float]]:
    """Measure microseconds a row, of both ways."""
    texts = pl.Series([_write_text(make_random("clean", 1, row)) for row in range(ROWS)])
    checks = make_checks(Prepare(source=FilesSource(kind="files", path="/rows.csv")))
    clean_texts(texts[:ONE_BY_ONE], checks)  # loads what is loaded once
    many = _time(lambda: clean_texts(texts, checks)) / ROWS
    one = _time(lambda: [clean_text(text, checks) for text in texts[:ONE_BY_ONE]]) / ONE_BY_ONE
    yield "clean_texts", many * 1e6, one * 1e6


def _write_text(random: Random) -> str:
    text = write_problem(random).text
    while len(text) < 420:
        text = f"{text} {write_problem(random).text}"
    text = text[: random.randint(450, 550)].strip()
    return pii(random, text) if random.random() < 0.02 else text


def _time(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start
