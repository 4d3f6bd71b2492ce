"""A whole preparation, from a Parquet file to the snapshot: rows a second, memory, and what validation takes of it.

Workload: seed 20; texts of about 500 characters of words drawn from a vocabulary of 20,000 with Zipf's weights, one of
nine teams; 2 % hold an e-mail address, a telephone number, an IBAN, a card or an IP address; 3 % repeat an earlier text
but for a word. The recipe has an eval set of 500 items. Store (SeaweedFS) and registry (SQLite) are on this machine;
two processors, so the store takes part of the time too. Memory is what all processes of the preparation hold
together (proportional set size), looked at four times a second.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil
from nightloom.core.nights import night_of, utc_now
from nightloom.embedded.instance import Instance
from nightloom.embedded.lifecycle import down, up

ROWS = 1_000_000
MANY_ROWS = 4_000_000
AIM = 10_000.0  # rows a second
_CHUNK = 50_000
_PII = (
    "ann.miller{n}@mail-shop.example.com",
    "+49 30 9012{n:04d}",
    "DE89 3704 0044 0532 0130 00",
    "4111 1111 1111 1111",
    "84.17.{a}.{b}",
)
_RECIPE = """\
name: bench
owner: bench
task:
  columns: {key: id, updated_at: updated_at, text: text}
  answer:
    team: {column: team, one_of: [t0, t1, t2, t3, t4, t5, t6, t7, t8]}
  primary: team
  prompt: bench/1
prepare:
  source: {kind: files, path: "{data}/rows.parquet"}
train: {trainer: dummy, base: dummy}
evaluate:
  sets:
    - name: gold
      source: {kind: files, path: "{data}/gold.parquet"}
      columns: {text: text}
"""


def measure(names: set[str], folder: Path) -> Iterator[tuple[str, float, float]]:
    """Measure the claims of these names, each as value and peer's value."""
    var_dir = folder / "prepare"
    shutil.rmtree(var_dir, ignore_errors=True)
    try:
        instance = up(var_dir, airflow=False)
        one = run_preparation(instance, var_dir / "one", ROWS)
        yield "prepare_rate", ROWS / one["seconds"], AIM
        yield "prepare_validation", one["validation"], one["seconds"]
        yield "prepare_memory", one["bytes"], 3e9
        if "prepare_memory_many" in names or "prepare_memory_flat" in names:
            many = run_preparation(instance, var_dir / "many", MANY_ROWS)
            yield "prepare_memory_many", many["bytes"], 3e9
            yield "prepare_memory_flat", many["bytes"], one["bytes"]
    finally:
        down(var_dir)
        shutil.rmtree(var_dir, ignore_errors=True)


def run_preparation(instance: Instance, folder: Path, rows: int) -> dict[str, float]:
    """Prepare a night of so many rows in a process of its own; seconds, of them in validation, and peak bytes."""
    make_files(folder / "data", rows)
    (folder / "recipes").mkdir()
    (folder / "recipes" / "bench.yaml").write_text(_RECIPE, encoding="utf-8")
    (folder / "prompts" / "bench").mkdir(parents=True)
    prompt = "messages: [{role: user, content: '{{ text }}'}]"
    (folder / "prompts" / "bench" / "1.yaml").write_text(prompt, encoding="utf-8")
    environment = {**os.environ, **_environment(instance, folder)}
    with subprocess.Popen([sys.executable, __file__], env=environment, stdout=subprocess.PIPE, text=True) as child:
        peak = _Peak(child.pid)
        output = child.stdout.read() if child.stdout else ""
        figures = peak.stop()
    if child.returncode:
        msg = f"preparing {rows} rows ended with exit code {child.returncode}"
        raise RuntimeError(msg)
    return {**json.loads(output.splitlines()[-1]), **figures}


def make_files(folder: Path, rows: int) -> None:
    """Write `rows.parquet` and `gold.parquet`."""
    import pyarrow.parquet as pq

    folder.mkdir(parents=True)
    rng = np.random.default_rng(20)
    words = make_words(rng)
    _make_rows(rng, words, 500, 0).select("text", "team").write_parquet(folder / "gold.parquet")
    writer = None
    for start in range(0, rows, _CHUNK):
        table = _make_rows(rng, words, min(_CHUNK, rows - start), start).to_arrow()
        writer = writer or pq.ParquetWriter(folder / "rows.parquet", table.schema)
        writer.write_table(table)
    if writer:
        writer.close()


def make_words(rng: np.random.Generator) -> pl.Series:
    """Make a vocabulary."""
    letters = np.frombuffer(b"etaoinshrdlucmfwypvbgkjqxz", np.uint8)
    return pl.Series([rng.choice(letters[:20], length).tobytes().decode() for length in rng.integers(2, 11, 20_000)])


def _make_rows(rng: np.random.Generator, words: pl.Series, count: int, start: int) -> pl.DataFrame:
    weights = 1 / np.arange(1, len(words) + 1)
    drawn = rng.choice(len(words), (count, 75), p=weights / weights.sum())
    repeated = rng.random(count) < 0.03
    drawn[repeated] = drawn[(np.flatnonzero(repeated) * 7919) % count]
    drawn[repeated, rng.integers(1, 75, repeated.sum())] = rng.integers(0, len(words), repeated.sum())
    text = words.gather(drawn.reshape(-1)).reshape((count, 75)).arr.join(" ")
    personal = [_PII[n % 5].format(n=n % 9999, a=n % 250, b=n % 240 + 1) for n in range(start, start + count)]
    holds = rng.random(count) < 0.02
    moment = night_of(utc_now(), "UTC") - timedelta(days=1)
    numbers = pl.int_range(start, start + count, eager=True)
    frame = pl.DataFrame({"number": numbers, "text": text, "personal": personal, "holds": holds, "word": drawn[:, 0]})
    return frame.select(
        id=pl.format("ticket-{}", pl.col("number").cast(pl.String).str.zfill(9)),
        updated_at=pl.lit(moment.isoformat() + "T")
        + pl.format(
            "{}:{}:00",
            (pl.col("number") % 1440 // 60).cast(pl.String).str.zfill(2),
            (pl.col("number") % 60).cast(pl.String).str.zfill(2),
        ),
        text=pl.when("holds").then(pl.concat_str("text", "personal", separator=". My contact is ")).otherwise("text"),
        team=pl.format("t{}", pl.col("word") % 9),
    )


def _environment(instance: Instance, folder: Path) -> dict[str, str]:
    given = instance.settings()
    settings = {
        "VAR_DIR": str(folder / "var"),
        "RECIPES_DIR": str(folder / "recipes"),
        "PROMPTS_DIR": str(folder / "prompts"),
        "DATA_DIR": str(folder / "data"),
        "STORE_ENDPOINT_URL": str(given.store_endpoint_url),
        "STORE_ACCESS_KEY": given.store_access_key.get_secret_value() if given.store_access_key else "",
        "STORE_SECRET_KEY": given.store_secret_key.get_secret_value() if given.store_secret_key else "",
        "STORE_BUCKET": given.store_bucket,
        "STORE_PREFIX": f"{folder.name}/",
    }
    return {f"NIGHTLOOM_{name}": value for name, value in settings.items()}


class _Peak:
    """Samples the memory of a process and its children until it is stopped."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._most = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> dict[str, float]:
        self._over.set()
        self._thread.join()
        return {"bytes": float(self._most)}

    def _look(self) -> None:
        while not self._over.wait(0.25):
            held = 0
            for process in self._list():
                try:
                    held += process.memory_full_info().pss
                except psutil.Error:
                    continue  # it has ended meanwhile
            self._most = max(self._most, held)

    def _list(self) -> list[psutil.Process]:
        try:
            return [self._process, *self._process.children(recursive=True)]
        except psutil.Error:
            return []


def _prepare() -> dict[str, Any]:
    from nightloom.nightly import prepare
    from nightloom.registry.database import open_database

    open_database().migrate()
    spent = {"validation": 0.0}
    for name in ("validate_records", "validate_examples"):
        setattr(prepare, name, _timed(getattr(prepare, name), spent))
    started = time.perf_counter()
    taken = {}
    night = prepare.open_night("bench")
    result: Any = night
    for step, more in (("extract_records", 0), ("curate_records", 1), ("build_snapshot", 1)):
        begun = time.perf_counter()
        result = getattr(prepare, step)("bench", night, *([result] if more else []))
        taken[step] = time.perf_counter() - begun
        if not isinstance(result, str):
            raise RuntimeError(result)
    return {"seconds": time.perf_counter() - started, **spent, **taken}


def _timed(function: Any, spent: dict[str, float]) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        begun = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            spent["validation"] += time.perf_counter() - begun

    return call


if __name__ == "__main__":
    import logging

    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    sys.stdout.write(json.dumps(_prepare()) + "\n")
