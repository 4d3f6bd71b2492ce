"""Proof of dedup: which of thousands of twins are merged or refused, and which merely similar tickets are.

A twin comes after its ticket and has the same text, a text with a few slips and changes of courtesy, or the one or
other with a different answer. Tickets that must stay have half of their words in common with another one, and its
answer or another.
"""

import os
from collections import Counter
from collections.abc import Callable
from random import Random

import polars as pl
import pytest
from nightloom.artifacts.data import Records, RecordsContent
from nightloom.artifacts.frames import LEDGER, RECORDS
from nightloom.artifacts.parts import cut_into_parts, put_parts, read_parts
from nightloom.core.s3 import Bucket
from nightloom.core.store import ObjectStore
from nightloom.curation.curate import curate_records
from nightloom.curation.minhash import comparable, jaccard, shingle_texts
from nightloom.recipes.preparation import Prepare
from nightloom.recipes.schema import AnswerField
from nightloom.recipes.sources import FilesSource
from nightloom.statistics.intervals import wilson_interval

from tests.conftest import MemoryS3

from .clean_tickets import write_ticket

TWINS = int(os.environ.get("NIGHTLOOM_PROOF_DRAWS", "60")) // 2
TEAMS = ("sales", "billing", "support")
RULES = ("exact_duplicate", "near_duplicate", "contradicting_labels")
_SYLLABLES = ("ba", "ne", "ko", "ri", "tu", "la", "so", "mi", "fe", "dra", "vel", "ost", "um", "pli", "gar", "hin")


def words(random: Random, count: int) -> str:
    """Words that no other ticket has, such as names and places."""
    return " ".join("".join(random.choices(_SYLLABLES, k=random.randint(2, 4))) for _ in range(count))


def slip(random: Random, text: str) -> str:
    """Write a text again as people do: a slip of the key, another greeting, capitals, marks, one word less."""
    for _ in range(random.randint(1, 3)):
        parts = text.split(" ")
        at = random.choice([at for at, part in enumerate(parts) if len(part) > 3])
        way = random.randint(0, 5)
        if way == 0:
            parts[at] = parts[at][:2] + parts[at][3:]
        elif way == 1:
            parts[at] = parts[at][:1] + parts[at][2] + parts[at][1] + parts[at][3:]
        elif way == 2:
            parts[at] = parts[at].upper()
        elif way == 3:
            parts[-1] += random.choice(("!!!", " ???", " Thanks", " :)"))
        elif way == 4:
            parts.insert(0, random.choice(("Hello,", "Hi again.", "Reminder:", "Fwd:")))
        else:
            del parts[at]
        text = " ".join(parts)
    return text


def similarity(first: str, second: str) -> float:
    return jaccard(*shingle_texts([comparable(first), comparable(second)]))


def near(random: Random, text: str) -> str:
    """Slips that leave a text near itself, above the threshold of 0.8 by as much as chance may take."""
    while not (similarity(text, other := slip(random, text)) >= 0.83 and comparable(other) != comparable(text)):
        pass
    return other


def distant(random: Random, text: str) -> str:
    """A text that shares about half of its words."""
    parts = text.split(" ")
    while similarity(text, other := " ".join([*parts[: len(parts) // 2], words(random, len(parts) // 2)])) > 0.72:
        parts = parts[1:]
    return other


KINDS: dict[str, tuple[Callable[[Random, str], str], bool, str, str]] = {
    "the same": (lambda _, text: text, False, "kept", "exact_duplicate"),
    "slips": (near, False, "kept", "near_duplicate"),
    "the same, another answer": (lambda _, text: text, True, "contradicting_labels", "contradicting_labels"),
    "slips, another answer": (near, True, "contradicting_labels", "contradicting_labels"),
    "half": (distant, False, "kept", "kept"),
    "half, another answer": (distant, True, "kept", "kept"),
}
"""Kind → how the twin's text is made, whether its answer differs, and the expected rules of ticket and twin."""


def write_twins(seed: str) -> tuple[list[tuple[str, str, str, str]], dict[str, tuple[str, str]]]:
    """Return rows (id, version, text, answer), and for each row the kind of its pair and the expected rule."""
    rows, expected = [], {}
    for number, kind in enumerate(kind for kind in KINDS for _ in range(TWINS)):
        random = Random(f"{seed}/{kind}/{number}")
        make, differs, of_ticket, of_twin = KINDS[kind]
        text = f"{write_ticket(random)} {words(random, 14)}".replace("\n", " ")
        team = random.choice(TEAMS)
        other = random.choice([one for one in TEAMS if one != team]) if differs else team
        for name, said, answer, rule in (("a", text, team, of_ticket), ("b", make(random, text), other, of_twin)):
            row = f"{number:06d}{name}"
            rows.append((row, f"2026-11-01T00:00:0{'ab'.index(name)}", said, f'{{"team":"{answer}"}}'))
            expected[row] = (kind, rule)
    return rows, expected


@pytest.fixture(scope="module")
def treated() -> list[tuple[str, str, str]]:
    """For every row the kind of its pair, the expected rule and the actual rule."""
    rows, expected = write_twins("twins")
    frame = pl.DataFrame([(*row, None, None, False, None) for row in rows], RECORDS, orient="row").sort("row_id")
    store = ObjectStore(Bucket(MemoryS3(), "bucket"))
    parts = put_parts(store, cut_into_parts([frame], RECORDS), RECORDS)
    records = Records(content=RecordsContent(rows=len(rows), new_rows=0, parts=parts))
    settings = Prepare(source=FilesSource(kind="files", path="rows.csv"))
    curation = curate_records(store, records, {"team": AnswerField(column="team", one_of=TEAMS)}, settings)
    ledger = read_parts(store, curation.ledger, LEDGER)
    done = pl.when(pl.col("outcome").is_in(["kept", "repaired"])).then(pl.lit("kept")).otherwise("rule")
    return [(*expected[row], rule) for row, rule in ledger.select("row_id", done).iter_rows()]


@pytest.mark.parametrize("rule", RULES)
def test_rule_finds_only_its_twins(rule, treated) -> None:
    planted = [got == rule for _, due, got in treated if due == rule]
    taken = [due == rule for _, due, got in treated if got == rule]
    for name, right in (("recall", planted), ("precision", taken)):
        interval = wilson_interval(sum(right), len(right))
        print(f"{rule}: {name} {sum(right)}/{len(right)} [{interval.low:.4f}, {interval.high:.4f}]")  # noqa: T201  # the proof's table
    print(f"  wrong {dict(Counter((kind, due, got) for kind, due, got in treated if due != got))}")  # noqa: T201  # the proof's table
    assert sum(planted) >= 0.99 * len(planted)
    assert sum(taken) >= 0.99 * len(taken)
