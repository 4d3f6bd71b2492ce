"""Questions to an index of a million manifests: 100 recipes, 365 nights of 28 manifests each, on SQLite and PostgreSQL.

The entries alone are generated, as nights leave them: three trials a night, a champion that moves on three nights in
ten (a tenth of the recipes keep their first), one outcome in thirty a failure. Each question is asked 200 times with
random draws; statements are counted.
"""

import io
import json
import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from nightloom.registry.database import Database
from nightloom.registry.members import Member, list_members
from nightloom.registry.questions import (
    complete_id,
    list_descendants,
    list_failures,
    list_learners,
    list_predictions,
    read_champion_lineage,
)
from nightloom.registry.refs import read_log_tail
from nightloom.registry.roots import list_roots
from nightloom.registry.tables import Base

from tests.postgres import find_programs, running

RECIPES, NIGHTS = 100, 365
DRAWS = 200
SEED = 20261129
_FIRST = date(2025, 11, 24)
_PAGE = 50

Row = tuple[Any, ...]
Ids = dict[str, list[str]]


def measure(names: set[str], folder: Path) -> Iterator[tuple[str, float, float]]:
    """Measure the 95th percentile of each question's milliseconds, and the most statements that one took."""
    world = World()
    most = 0
    for kind, opened in (("sqlite", _open_sqlite(folder)), ("postgresql", _open_postgresql())):
        if not any(name.startswith(f"index_{kind}") or name == "index_statements" for name in names):
            continue
        with opened as (database, url):
            started = time.monotonic()
            _fill(url, world.tables)
            print(f"{kind}: filled in {time.monotonic() - started:.0f} s: {_count(world.tables)}", flush=True)  # noqa: T201
            for question, ask in world.questions.items():
                milliseconds, statements = _ask(database, ask)
                most = max(most, statements)
                yield f"index_{kind}_{question}", milliseconds, 50.0
    yield "index_statements", most, 5.0


class World:
    """The rows of all tables, and the questions with their random draws."""

    def __init__(self) -> None:
        self._random = random.Random(SEED)
        self._shared = {kind: [self._id() for _ in range(10)] for kind in ("base", "prompt", "evalset")}
        self.tables: dict[str, list[Row]] = {name: [] for name in ("manifests", "edges", "members", "outcomes")}
        self.tables |= {"refs": [], "ref_log": []}
        self.tables["manifests"] += [(one, kind, _moment(0)) for kind, ids in self._shared.items() for one in ids]
        self.nights = [night for number in range(RECIPES) for night in self._run_recipe(f"recipe_{number:03}", number)]

    @property
    def questions(self) -> dict[str, Callable[[Database], object]]:
        """The ten questions, each of something that is drawn when it is asked."""
        return {
            "champion": lambda db: read_champion_lineage(db, self._recipe()),
            "verdicts": lambda db: list_members(db, "verdict", self._recipe(), limit=_PAGE),
            "learners": lambda db: list_learners(db, [self._draw("snapshot")]),
            "members": self._turn_page,
            "failures": lambda db: list_failures(db, limit=_PAGE),
            "roots": lambda db: list_roots(db, after=self._id(), limit=1000),
            "log": lambda db: read_log_tail(db, self._recipe(), "champion", limit=_PAGE),
            "completion": lambda db: complete_id(db, "snapshot", self._draw("snapshot")[:5], limit=6),
            "predictions": lambda db: list_predictions(db, self._draw("champion"), limit=_PAGE),
            "snapshot": lambda db: list_descendants(db, self._draw("snapshot")),
        }

    def _turn_page(self, database: Database) -> object:
        """Ask for a page anywhere among the members of a kind."""
        kind, recipe, day = self._random.choice(["trial", "adapter", "scores"]), self._recipe(), self._random.random()
        last = Member(kind, self._id(), recipe, _FIRST, _moment(1 + round(day * (NIGHTS - 1))).replace(tzinfo=UTC))
        return list_members(database, kind, recipe, limit=_PAGE, after=last)

    def _recipe(self) -> str:
        return f"recipe_{self._random.randrange(RECIPES):03}"

    def _draw(self, kind: str) -> str:
        return self._random.choice(self._random.choice(self.nights)[kind])

    def _id(self) -> str:
        return self._random.randbytes(32).hex()

    def _run_recipe(self, recipe: str, number: int) -> Iterator[Ids]:
        shared = {kind: ids[number % 10] for kind, ids in self._shared.items()}
        before: Ids = {}
        champion: str | None = None
        for day in range(NIGHTS):
            ids = self._run_night(recipe, day, shared, before, champion)
            # A tenth of the recipes keep their first champion all year.
            if champion is None or (number % 10 and self._random.random() < 0.3):
                self._move(recipe, "champion", day, champion, ids["adapter"][0], ids["verdict"][0])
                champion = ids["adapter"][0]
            self._move(recipe, "latest", day, before.get("snapshot", [None])[0], ids["snapshot"][0], None)
            before = {**ids, "recipe": [recipe], "champion": [champion]}
            yield before
        last = _FIRST + timedelta(days=NIGHTS - 1)
        self.tables["refs"] += [
            (recipe, "champion", champion, last),
            (recipe, "latest", before["snapshot"][0], last),
        ]

    def _run_night(self, recipe: str, day: int, shared: dict[str, str], before: Ids, champion: str | None) -> Ids:
        many = {"records": 2, "trial": 3, "adapter": 3, "scores": 3, "prediction_shard": 2, "stage": 4}
        kinds = (
            *("records", "curated", "snapshot", "preparation", "blueprint", "tokens", "trial", "adapter", "ranking"),
            *("parity", "scores", "verdict", "prediction_plan", "prediction_shard", "predictions", "report", "stage"),
        )
        ids = {kind: [self._id() for _ in range(many.get(kind, 1))] for kind in kinds}
        every = [(one, kind) for kind, some in ids.items() for one in some]
        night, at = _FIRST + timedelta(days=day), _moment(day)
        self.tables["manifests"] += [(one, kind, at + timedelta(minutes=n)) for n, (one, kind) in enumerate(every)]
        self.tables["members"] += [
            (recipe, night, one, kind, at + timedelta(minutes=n))
            for n, (one, kind) in enumerate(every)
            if kind != "stage"
        ]
        self.tables["edges"] += {
            (parent, child_kind, child, part, path, parent_kind)
            for parent_kind, parent, child_kind, child, part, path in _list_edges(ids, shared, before, champion)
        }
        left = {"prepare": "preparation", "finetune": "verdict", "predict": "predictions", "report": "report"}
        for stage, kind in left.items():
            status = "failed" if self._random.random() < 1 / 30 else "done"
            manifest = ids[kind][0] if status == "done" else None
            self.tables["outcomes"].append((recipe, night, stage, status, "a sentence", manifest, at, at))
        return ids

    def _move(self, recipe: str, name: str, day: int, old: str | None, new: str, verdict: str | None) -> None:
        log, night = self.tables["ref_log"], _FIRST + timedelta(days=day)
        hashes = (log[-1][-1] if log else "0" * 64, self._id())
        moved = (len(log) + 1, recipe, name, old, new, night, "eva", "better", verdict, False, _moment(day))
        log.append((*moved, None, *hashes))


def _list_edges(ids: Ids, shared: dict[str, str], before: Ids, champion: str | None) -> Iterator[Row]:
    """Return parent and child, with their kinds, and where the one names the other."""
    known = {**shared, **{kind: some[0] for kind, some in ids.items()}}

    def name(child_kind: str, child: str, part: str, **paths: str | None) -> Iterator[Row]:
        for path, kind in paths.items():
            yield str(kind), known[str(kind)], child_kind, child, part, path.replace("__", ".")

    yield from name("curated", known["curated"], "content", records="records", eval_sets="evalset")
    if before:
        yield "preparation", before["preparation"][0], "curated", known["curated"], "content", "parent"
        yield "snapshot", before["snapshot"][0], "snapshot", known["snapshot"], "provenance", "parent"
    whole = {"records": "records", "curated": "curated", "snapshot": "snapshot", "eval_sets": "evalset"}
    yield from name("preparation", known["preparation"], "content", **whole)
    asked = {"snapshot": "snapshot", "base": "base", "task__prompt": "prompt"}
    yield from name("blueprint", known["blueprint"], "content", **asked, eval_sets__evalset="evalset")
    yield from name("tokens", known["tokens"], "key", snapshot="snapshot", prompt="prompt")
    for trial, adapter in zip(ids["trial"], ids["adapter"], strict=True):
        yield from name("trial", trial, "key", **asked)
        yield "trial", trial, "adapter", adapter, "result", "adapter"
        yield from name("adapter", adapter, "content", base="base")
        yield from name("adapter", adapter, "provenance", blueprint="blueprint")
    yield from name("ranking", known["ranking"], "key", blueprint="blueprint")
    model = {"model__base": "base", "model__adapter": "adapter", "task__prompt": "prompt"}
    yield from name("parity", known["parity"], "key", **model, snapshot="snapshot")
    for scores, adapter in zip(ids["scores"], (None, known["adapter"], champion), strict=True):
        yield from name("scores", scores, "key", model__base="base", task__prompt="prompt", evalset="evalset")
        yield "scores", scores, "verdict", known["verdict"], "content", "scores.scores"
        if adapter:
            yield "adapter", adapter, "scores", scores, "key", "model.adapter"
    decided = {"blueprint": "blueprint", "candidate": "adapter", "baseline": "base", "parity": "parity"}
    yield from name("verdict", known["verdict"], "content", **decided)
    if champion:
        yield "adapter", champion, "verdict", known["verdict"], "content", "champion"
        yield "adapter", champion, "prediction_plan", known["prediction_plan"], "content", "model.adapter"
    yield from name("prediction_plan", known["prediction_plan"], "content", model__base="base", task__prompt="prompt")
    for shard in ids["prediction_shard"]:
        yield "prediction_plan", known["prediction_plan"], "prediction_shard", shard, "key", "plan"
    yield from name("predictions", known["predictions"], "content", plan="prediction_plan")
    for kind in ("preparation", "snapshot", "blueprint", "trial", "adapter", "verdict", "predictions", "records"):
        yield kind, known[kind], "report", known["report"], "facts", "facts"


def _ask(database: Database, ask: Callable[[Database], object]) -> tuple[float, int]:
    """Return the 95th percentile of milliseconds, and the most statements of an answer."""
    count, most, taken = [0], 0, []

    def note(*_: Any) -> None:
        count[0] += 1

    sa.event.listen(database._engine, "before_cursor_execute", note)
    for _ in range(DRAWS):
        count[0] = 0
        start = time.perf_counter()
        answer = ask(database)
        taken.append((time.perf_counter() - start) * 1000)
        most = max(most, count[0])
        assert answer
    sa.event.remove(database._engine, "before_cursor_execute", note)
    return sorted(taken)[int(DRAWS * 0.95)], most


def _fill(url: str, tables: dict[str, list[Row]]) -> None:
    """Write all rows, and the indexes after them."""
    engine = sa.create_engine(url)
    indexes = [index for name in tables for index in Base.metadata.tables[name].indexes]
    with engine.begin() as connection:
        for index in indexes:
            index.drop(connection)
        for name, rows in tables.items():
            # In the order of the keys, as the tables of SQLite that have no other order are written fast.
            _write(
                connection,
                Base.metadata.tables[name],
                sorted(rows, key=lambda row: row[:5]) if name == "edges" else rows,
            )
        for index in indexes:
            index.create(connection)
    if engine.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM ANALYZE"))  # as its autovacuum would before long
    engine.dispose()


def _write(connection: sa.Connection, table: sa.Table, rows: Iterable[Row]) -> None:
    cursor = connection.connection.cursor()
    columns = _COLUMNS[table.name]
    if connection.engine.name == "sqlite":
        texts = ([str(value) if isinstance(value, date) else value for value in row] for row in rows)
        marks = ", ".join("?" * len(columns))
        cursor.executemany(f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks})", texts)  # noqa: S608
        return
    lines = "".join("\t".join("\\N" if value is None else str(value) for value in row) + "\n" for row in rows)
    cursor.copy_expert(f"COPY {table.name} ({', '.join(columns)}) FROM STDIN", io.StringIO(lines))


_COLUMNS = {
    "manifests": ("manifest", "kind", "made_at"),
    "edges": ("parent", "child_kind", "child", "part", "path", "parent_kind"),
    "members": ("recipe", "night", "manifest", "kind", "noted_at"),
    "outcomes": ("recipe", "night", "stage", "status", "message", "manifest", "started_at", "ended_at"),
    "refs": ("recipe", "name", "value", "night"),
    "ref_log": (
        *("number", "recipe", "name", "old", "new", "night", "who", "why", "cites", "by_hand", "moved_at"),
        *("undoes", "previous_hash", "line_hash"),
    ),
}


@contextmanager
def _open_sqlite(folder: Path) -> Iterator[tuple[Database, str]]:
    path = folder / "index.db"
    for left in folder.glob("index.db*"):
        left.unlink()
    yield from _open(f"sqlite:///{path}")
    for left in folder.glob("index.db*"):
        left.unlink()


@contextmanager
def _open_postgresql() -> Iterator[tuple[Database, str]]:
    programs = find_programs()
    if programs is None:
        msg = "no PostgreSQL server is installed (initdb, pg_ctl and postgres; on Debian: postgresql)"
        raise RuntimeError(msg)
    with running(programs) as server:
        yield from _open(server.url())


def _open(url: str) -> Iterator[tuple[Database, str]]:
    database = Database(url)
    database.migrate()
    yield database, url
    database.close()


def _moment(day: int) -> datetime:
    return datetime(2025, 11, 24, 3) + timedelta(days=day)  # noqa: DTZ001  # as the tables hold it: UTC without saying so


def _count(tables: dict[str, list[Row]]) -> str:
    return json.dumps({name: len(rows) for name, rows in tables.items()})
