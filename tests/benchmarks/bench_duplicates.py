"""Near-duplicates among texts of 500 characters, compared with datasketch: time, and recall at a similarity of 0.8.

Workload: 20,000 texts of words drawn from a vocabulary of 20,000 with Zipf's weights, seed 20; 1,500 of them are
another text with words put in the place of others, so that their similarities lie around 0.8. Recall is the share found
of the pairs whose Jaccard similarity of character 5-grams, counted exactly, is 0.8 to 0.82. datasketch gets the same
5-grams, as many permutations and the same bands; ours also measures each pair exactly, its LSH only proposes pairs.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import rensa  # noqa: F401  # libraries are loaded before the clock starts, as the peer's are
import scipy.sparse.csgraph  # noqa: F401
from bench_prepare import make_words
from nightloom.curation.minhash import jaccard, shingle_texts
from nightloom.curation.near_duplicates import find_near_duplicates
from nightloom.curation.passes import write_signatures
from nightloom.curation.rules import KEY
from nightloom.curation.scratch import Scratch

TEXTS = 20_000
PAIRS = 1_500
SIMILARITY = 0.8
_DATASKETCH = "datasketch==2.0.0"
_PEER = """
import json, sys, time
from datasketch import MinHash, MinHashLSH
texts = json.load(open(sys.argv[1]))
started = time.perf_counter()
lsh = MinHashLSH(num_perm=126, params=(21, 6))
pairs = []
for number, text in enumerate(texts):
    sketch = MinHash(num_perm=126, seed=20)
    sketch.update_batch({text[position : position + 5].encode() for position in range(len(text) - 4)})
    pairs += [(other, number) for other in lsh.query(sketch)]
    lsh.insert(number, sketch, check_duplication=False)
print(json.dumps({"seconds": time.perf_counter() - started, "pairs": pairs}))
"""


def measure(names: set[str], folder: Path) -> Iterator[tuple[str, float, float]]:
    """Measure the claims of these names, each as value and peer's value."""
    texts, planted = make_texts()
    with TemporaryDirectory() as scratch:
        seconds, found = _find(texts, Scratch(Path(scratch)))
    peer_seconds, peer_found = _find_with_peer(texts, folder)
    yield "duplicates_seconds", seconds, peer_seconds
    just = [pair for pair, similarity in planted.items() if SIMILARITY <= similarity < SIMILARITY + 0.02]
    recalls = [100 * sum(pair in pairs for pair in just) / len(just) for pairs in (found, peer_found)]
    sys.stdout.write(f"{len(just)} pairs of 0.80 to 0.82; recall {recalls[0]:.2f} % and {recalls[1]:.2f} %\n")
    yield "duplicates_recall", recalls[1] - recalls[0], recalls[1]


def make_texts() -> tuple[list[str], dict[tuple[int, int], float]]:
    """Return texts in comparable form, and the planted pairs with their similarity."""
    rng = np.random.default_rng(20)
    words = make_words(rng)
    weights = 1 / np.arange(1, len(words) + 1)
    drawn = rng.choice(len(words), (TEXTS, 75), p=weights / weights.sum())
    copies = np.arange(PAIRS)
    drawn[TEXTS - 1 - copies] = drawn[copies]
    for copy in copies:
        changed = rng.choice(75, 5 + copy % 4, replace=False)
        drawn[TEXTS - 1 - copy, changed] = rng.integers(0, len(words), len(changed))
    texts = words.gather(drawn.reshape(-1)).reshape((TEXTS, 75)).arr.join(" ").to_list()
    pairs = [(int(copy), TEXTS - 1 - int(copy)) for copy in copies]
    return texts, {pair: jaccard(*shingle_texts([texts[position] for position in pair])) for pair in pairs}


def _find(texts: list[str], scratch: Scratch) -> tuple[float, set[tuple[int, int]]]:
    rows = pl.DataFrame({"compared": texts, "outcome": None}, {"compared": pl.String, "outcome": pl.String})
    rows = rows.with_columns(key=KEY)
    started = time.perf_counter()
    for part, some in enumerate((rows, rows.clear())):
        scratch.write_rows(part, some)
        write_signatures(scratch, part, some, SIMILARITY)
    pairs = find_near_duplicates(scratch, [0, len(rows)], SIMILARITY).pairs
    return time.perf_counter() - started, set(pairs.rows())


def _find_with_peer(texts: list[str], folder: Path) -> tuple[float, set[tuple[int, int]]]:
    venv, work = folder / "datasketch", folder / "duplicates"
    if not (venv / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([str(venv / "bin" / "pip"), "install", "--quiet", _DATASKETCH], check=True)
    work.mkdir(exist_ok=True)
    (work / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    command = [str(venv / "bin" / "python"), "-c", _PEER, str(work / "texts.json")]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return answer["seconds"], {(first, second) for first, second in answer["pairs"]}
