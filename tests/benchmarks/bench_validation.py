"""What validating a night costs: a million records and as many examples, part by part, as `curate_records` does it.

The rows are made up, seeded: about 500 characters of words, 2 % with personal data among the records, no two alike.
Run alone, it prints seconds and peak memory: `python tests/benchmarks/bench_validation.py [ROWS]`.
"""

import resource
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from nightloom.artifacts.frames import EXAMPLES, RECORDS
from nightloom.artifacts.parts import PART_ROWS
from nightloom.core.recipes import AnswerField, FilesSource, Prepare
from nightloom.core.settings import PROJECT_ROOT
from nightloom.validation.checks import validate_examples, validate_records
from nightloom.validation.docs import render_docs

TEAMS = ("billing", "shipping", "account", "returns")
ANSWER = {"team": AnswerField(column="team", one_of=TEAMS)}
SETTINGS = Prepare(source=FilesSource(kind="files", path="/rows.csv"))
SUITES = PROJECT_ROOT / "include" / "expectations"
CUT_TO = datetime(2026, 11, 25, tzinfo=UTC)
_WORDS = 30_000


def time_validation(records: list[Path], examples: list[Path]) -> dict[str, float]:
    """Give the seconds that each step takes, and the processor's of all of it.

    Args:
        records: Parquet files of RECORDS, one a part.
        examples: Parquet files of EXAMPLES, one a part.
    """
    begun, processor = time.perf_counter(), time.process_time()
    import great_expectations  # noqa: F401  # its own cost is part of what a task pays

    imported = time.perf_counter()
    received = validate_records(
        lambda: (pl.read_parquet(path) for path in records), ANSWER, SETTINGS, SUITES, cut_to=CUT_TO
    )
    validated = time.perf_counter()
    remaining = validate_examples(lambda: (pl.read_parquet(path) for path in examples), ANSWER, SETTINGS, SUITES)
    judged = time.perf_counter()
    render_docs(received.results + remaining.results, "bench")
    ended = time.perf_counter()
    if received.refusal or remaining.refusal:
        raise AssertionError(received.refusal, remaining.refusal)
    return {
        "import": imported - begun,
        "records": validated - imported,
        "examples": judged - validated,
        "docs": ended - judged,
        "all": ended - begun,
        "processor": time.process_time() - processor,
    }


def write_rows(folder: Path, rows: int) -> tuple[list[Path], list[Path]]:
    """Write records and examples, and give the files of both."""
    random = np.random.default_rng(20)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = ["".join(random.choice(letters, random.integers(2, 11))) for _ in range(_WORDS)]
    records, examples = [], []
    for number, first in enumerate(range(0, rows, PART_ROWS)):
        part = _make_part(random, words, first, min(PART_ROWS, rows - first))
        records.append(folder / f"records-{number}.parquet")
        part.select([pl.col(name).cast(kind) for name, kind in RECORDS.items()]).write_parquet(records[-1])
        examples.append(folder / f"examples-{number}.parquet")
        clean = part.with_columns(pl.col("text").str.replace("ann@example.com", "<EMAIL_ADDRESS>", literal=True))
        clean.select([pl.col(name).cast(kind) for name, kind in EXAMPLES.items()]).write_parquet(examples[-1])
    return records, examples


def _make_part(random: np.random.Generator, words: list[str], first: int, rows: int) -> pl.DataFrame:
    def texts() -> Iterator[str]:
        for places in random.integers(0, _WORDS, (rows, 72)):
            text = " ".join(words[place] for place in places)
            yield f"{text} ann@example.com" if random.random() < 0.02 else text

    return pl.DataFrame(
        {
            "row_id": [f"T{first + number:08d}" for number in range(rows)],
            "cluster_id": [f"{first + number:064x}" for number in range(rows)],
            "split": "train",
            "version": "2026-11-24T00:00:00.000000+00:00",
            "text": list(texts()),
            "answer": [f'{{"team":"{TEAMS[number % 4]}"}}' for number in range(rows)],
            "slice": "en",
            "history": None,
            "deleted": False,
        }
    )


def main(rows: int) -> None:
    """Print what validation of so many rows takes."""
    with TemporaryDirectory() as folder:
        files = write_rows(Path(folder), rows)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        figures = time_validation(*files)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for name, seconds in figures.items():
        sys.stdout.write(f"{name:10} {seconds:7.1f} s\n")
    sys.stdout.write(f"peak memory {peak:.0f} MB ({before:.0f} MB before)\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
