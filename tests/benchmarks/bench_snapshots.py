"""Snapshots of a gigabyte of chat rows: frozen first, unchanged, and with one row in a hundred appended.

Workload: 1.8 million rows, seed 20; a text of 420 to 500 characters (a stretch of 32 MB of words drawn from a
vocabulary of 20,000 with Zipf's weights), an answer of one of nine teams, every fourth row with one earlier turn.
Everything goes to a SeaweedFS on this machine.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from nightloom.artifacts.frames import EXAMPLES
from nightloom.core.store import ObjectStore, connect_store
from nightloom.embedded.instance import Instance
from nightloom.embedded.lifecycle import down, up
from nightloom.snapshots.freeze import freeze_rows
from nightloom.snapshots.shards import ShardCache

ROWS = 1_800_000
APPENDED = ROWS // 100
REPEATS = 3
_DVC = "dvc[s3]==3.67.1"


def measure(names: set[str], folder: Path) -> Iterator[tuple[str, float, float]]:
    """Measure the claims of these names, each as value and peer's value."""
    rows = make_rows(ROWS + APPENDED, seed=20)
    first = rows.slice(0, ROWS)
    var_dir = folder / "snapshots"
    shutil.rmtree(var_dir, ignore_errors=True)
    try:
        instance = up(var_dir, airflow=False)
        ours = _measure_ours(instance, first, rows, var_dir)
        yield "snapshot_first", ours["first"], ours["peer"]
        yield "snapshot_unchanged", ours["unchanged"], ours["first"]
        yield "snapshot_unchanged_bytes", ours["unchanged bytes"], ours["first bytes"]
        yield "snapshot_appended_bytes", ours["appended bytes"], ours["first bytes"]
        if any(name.endswith("_dvc") for name in names):
            unchanged, appended = _measure_dvc(instance, first, rows, var_dir / "dvc", folder / "dvc")
            yield "snapshot_unchanged_dvc", ours["unchanged"], unchanged
            yield "snapshot_appended_dvc", ours["appended"], appended
    finally:
        down(var_dir)
        shutil.rmtree(var_dir, ignore_errors=True)


def make_rows(count: int, *, seed: int) -> pa.Table:
    """Make chat rows (EXAMPLES), in the order of their ids."""
    rng = np.random.default_rng(seed)
    corpus = _make_corpus(rng, 32 << 20)
    texts = _cut(corpus, rng.integers(0, corpus.size - 500, count), rng.integers(420, 501, count))
    numbers = pl.int_range(count, eager=True)
    frame = pl.DataFrame({"number": numbers, "text": pl.Series(pl.from_arrow(texts))})
    turn = pl.struct(content=pl.col("text").str.slice(0, 60), role=pl.lit("user"))
    frame = frame.select(
        row_id=pl.format("ticket-{}", pl.col("number").cast(pl.String).str.zfill(9)),
        cluster_id=pl.format("{}{}", pl.lit("c" * 55), pl.col("number").cast(pl.String).str.zfill(9)),
        split=pl.when(pl.col("number") % 20 == 0).then(pl.lit("test")).otherwise(pl.lit("train")),
        text="text",
        answer=pl.concat_str(pl.lit('{"team":"team '), (pl.col("number") * 7919 % 9).cast(pl.String), pl.lit('"}')),
        slice=pl.lit("mail"),
        history=pl.when(pl.col("number") % 4 == 0).then(pl.concat_list(turn)),
    )
    return frame.select([pl.col(name).cast(kind) for name, kind in EXAMPLES.items()]).to_arrow(
        compat_level=pl.CompatLevel.oldest()
    )


def _make_corpus(rng: np.random.Generator, size: int) -> np.ndarray:
    letters = np.frombuffer(b"etaoinshrdlucmfwypvbgkjqxz", np.uint8)
    words = [rng.choice(letters[:20], length).tobytes() for length in rng.integers(2, 11, 20_000)]
    weights = 1 / np.arange(1, len(words) + 1)
    drawn = rng.choice(len(words), size // 6, p=weights / weights.sum())
    text = b" ".join([words[number] for number in drawn.tolist()])
    return np.frombuffer(text[:size], np.uint8)


def _cut(corpus: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> pa.ChunkedArray:
    """Return a stretch of the corpus for each start and length."""
    chunks = []
    for first in range(0, len(starts), 100_000):
        start, length = starts[first : first + 100_000], lengths[first : first + 100_000]
        offsets = np.concatenate([[0], np.cumsum(length)])
        data = corpus[np.repeat(start - offsets[:-1], length) + np.arange(offsets[-1])]
        buffers = [None, pa.py_buffer(offsets.astype(np.int64)), pa.py_buffer(data)]
        chunks.append(pa.Array.from_buffers(pa.large_string(), len(length), buffers))
    return pa.chunked_array(chunks)


class _Sent:
    """Counts the bytes of data that a store sends."""

    def __init__(self, store: ObjectStore) -> None:
        self.bytes = 0
        store.bucket.client.meta.events.register("before-parameter-build.s3.PutObject", self._count)

    def _count(self, params: dict[str, Any], **_: Any) -> None:
        if "/objects/" in params["Key"]:
            self.bytes += len(params["Body"])


def _measure_ours(instance: Instance, first: pa.Table, rows: pa.Table, folder: Path) -> dict[str, float]:
    """Return the median seconds of each step, and the median bytes of data that it sent."""
    taken: dict[str, list[float]] = {}
    for repeat in range(REPEATS):
        settings = instance.settings().model_copy(update={"store_prefix": f"bench-{repeat}/"})
        store, cache = connect_store(settings), ShardCache(folder / f"cache-{repeat}")
        sent = _Sent(store)
        steps: dict[str, Callable[[], object]] = {
            "peer": lambda store=store: _write_and_upload(store, first, folder / "peer.parquet"),
            "first": lambda store=store, cache=cache: _freeze(store, first, cache),
            "unchanged": lambda store=store, cache=cache: _freeze(store, first, cache),
            "appended": lambda store=store, cache=cache: _freeze(store, rows, cache),
        }
        for name, step in steps.items():
            before = sent.bytes
            taken.setdefault(name, []).append(_time(step))
            taken.setdefault(f"{name} bytes", []).append(sent.bytes - before)
    return {name: float(np.median(figures)) for name, figures in taken.items()}


def _measure_dvc(instance: Instance, first: pa.Table, rows: pa.Table, work: Path, folder: Path) -> tuple[float, float]:
    """Return the seconds that DVC takes for unchanged and for appended rows.

    It tracks one Parquet file, which a job rewrites each night; writing it is not counted.
    """
    dvc = _install_dvc(folder / "venv")
    work.mkdir()
    settings = instance.settings()
    for command in (
        "init --no-scm --quiet",
        f"remote add -d store s3://{settings.store_bucket}/dvc",
        f"remote modify store endpointurl {settings.store_endpoint_url}",
    ):
        subprocess.run([dvc, *command.split()], cwd=work, check=True)
    keys = {
        "AWS_ACCESS_KEY_ID": settings.store_access_key.get_secret_value() if settings.store_access_key else "",
        "AWS_SECRET_ACCESS_KEY": settings.store_secret_key.get_secret_value() if settings.store_secret_key else "",
        "AWS_DEFAULT_REGION": settings.store_region,
        "PATH": f"{dvc.parent}:/usr/bin:/bin",
        "HOME": str(work),
    }

    def track(table: pa.Table) -> float:
        pq.write_table(table, work / "rows.parquet", compression="zstd")
        commands = (["add", "--quiet", "rows.parquet"], ["push", "--quiet"])
        return _time(lambda: [subprocess.run([dvc, *c], cwd=work, env=keys, check=True) for c in commands])

    track(first)
    return float(np.median([track(first) for _ in range(REPEATS)])), track(rows)


def _install_dvc(venv: Path) -> Path:
    dvc = venv / "bin" / "dvc"
    if not dvc.exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([str(venv / "bin" / "pip"), "install", "--quiet", _DVC], check=True)
    return dvc


def _freeze(store: ObjectStore, rows: pa.Table, cache: ShardCache) -> object:
    return freeze_rows(store, lambda: [rows], cache, recipe="bench", night=date(2026, 11, 25), parent_id=None)


def _write_and_upload(store: ObjectStore, rows: pa.Table, path: Path) -> None:
    pq.write_table(rows, path, compression="zstd")
    store.bucket.upload(path, "peer.parquet")
    path.unlink()


def _time(step: Callable[[], object]) -> float:
    started = time.perf_counter()
    step()
    return time.perf_counter() - started
