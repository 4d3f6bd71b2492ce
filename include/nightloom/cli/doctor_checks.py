"""Checkup: one small function a check; each gives a finding with the command that mends it."""

import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from nightloom.core.connections import resolve_connection
from nightloom.core.errors import NightloomError
from nightloom.core.s3 import connect_bucket
from nightloom.core.settings import PROJECT_ROOT, get_settings
from nightloom.processes.devices import list_devices
from nightloom.processes.packages import worker_packages
from nightloom.recipes.check import load_recipes
from nightloom.recipes.schema import Recipe
from nightloom.recipes.sources import SqlSource
from nightloom.registry.database import Database
from nightloom.registry.refs import verify_log

_LEAST_FREE_GB = 5
_TIMEOUT_S = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check came to. Where it is not ok, the remedy is what to do."""

    name: str
    ok: bool
    sentence: str
    remedy: str | None = None


def examine() -> list[Finding]:
    """Make every check; none of them stops the others."""
    return [_make(check) for check in CHECKS]


def python() -> Finding:
    """The interpreter is one that the pinned packages are made for."""
    sentence = f"Python {sys.version.split()[0]}"
    return Finding("python", sys.version_info >= (3, 11), sentence, "install Python 3.11")


def packages() -> Finding:
    """What is installed is what is pinned."""
    wanted = _read_pins(PROJECT_ROOT / "requirements.lock") | _read_pins(PROJECT_ROOT / "requirements.txt")
    wrong = [f"{name} {found}, not {pin}" for name, pin in wanted.items() if (found := _installed(name)) != pin]
    sentence = f"{len(wanted)} pinned packages, {len(wrong)} differ" + (f": {', '.join(wrong[:5])}" if wrong else "")
    return Finding("packages", not wrong, sentence, "rm .venv/.installed, then make up: it installs what is pinned")


def worker() -> Finding:
    """The interpreter of training and batch is there."""
    path = get_settings().worker_python
    remedy = "set NIGHTLOOM_WORKER_PYTHON to an interpreter that has torch and nightloom"
    return Finding("worker", shutil.which(path) is not None, f"training and batch run with {path}", remedy)


def devices() -> Finding:
    """GPUs that are there can be used: torch is not the variant for processors alone."""
    found, torch = len(list_devices()), worker_packages().get("torch", "missing")
    if not found:
        return Finding("devices", ok=True, sentence="no GPU: models are trained and asked on the processors")
    sentence = f"{found} GPU{'s' if found > 1 else ''}, torch {torch}"
    remedy = "rm -r .venv, then make up without TORCH_INDEX: PyPI's torch is the one for GPUs"
    return Finding("devices", not torch.endswith("+cpu"), sentence, remedy)


def disk() -> Finding:
    """There is room for a night."""
    folder = get_settings().var_dir
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free / 1e9
    remedy = f"free {_LEAST_FREE_GB} GB, or set NIGHTLOOM_VAR_DIR to a larger disk"
    return Finding("disk", free >= _LEAST_FREE_GB, f"{free:.1f} GB free at {existing}", remedy)


def store() -> Finding:
    """The object store answers, and lets nobody overwrite what another has committed."""
    settings = get_settings()
    connect_bucket(settings).prove()
    where = settings.store_endpoint_url or "AWS"
    return Finding("store", ok=True, sentence=f"bucket {settings.store_bucket!r} at {where} commits once, as it must")


def registry() -> Finding:
    """The registry answers, has this version's tables, and its log is whole."""
    database = Database(get_settings().registry_address)
    try:
        moves = verify_log(database)
    finally:
        database.close()
    return Finding("registry", ok=True, sentence=f"the log of {moves} moves is whole")


def recipes() -> Finding:
    """Every recipe is sound."""
    sound, broken = load_recipes()
    sentence = f"{len(sound)} sound" + (f", {len(broken)} broken" if broken else "")
    remedy = "; ".join(f"nightloom recipe check {file}" for file in broken) or "write one in include/recipes"
    return Finding("recipes", bool(sound) and not broken, sentence, remedy)


def connections() -> Finding:
    """Every database that a recipe names answers."""
    import sqlalchemy as sa

    sound, _ = load_recipes()
    names = sorted({name for recipe in sound.values() for name in _connections_of(recipe)})
    for name in names:
        engine = sa.create_engine(resolve_connection(name), poolclass=sa.NullPool)
        try:
            with engine.connect() as connection:
                connection.execute(sa.text("SELECT 1"))
        except sa.exc.SQLAlchemyError as error:
            where = engine.url.render_as_string(hide_password=True)
            sentence = f"{name} at {where} does not answer: {type(error).__name__}"
            return Finding("connections", ok=False, sentence=sentence, remedy="start the database or correct its URL")
    return Finding("connections", ok=True, sentence=", ".join(names) or "no recipe names one")


def airflow() -> Finding:
    """Airflow runs, where one is set up."""
    import httpx

    url = get_settings().airflow_url
    if url is None:
        return Finding("airflow", ok=False, sentence="no Airflow is set up", remedy="make up")
    try:
        health = httpx.get(f"{url}/api/v2/monitor/health", timeout=_TIMEOUT_S).json()
    except (httpx.HTTPError, ValueError) as error:
        return Finding("airflow", ok=False, sentence=f"{url} does not answer: {type(error).__name__}", remedy="make up")
    sick = [name for name, part in health.items() if part and part.get("status") not in ("healthy", None)]
    sentence = f"{url}" + (f": {', '.join(sick)} not healthy" if sick else "")
    return Finding("airflow", not sick, sentence, "make down, then make up")


CHECKS: tuple[Callable[[], Finding], ...] = (
    python,
    packages,
    worker,
    devices,
    disk,
    store,
    registry,
    recipes,
    connections,
    airflow,
)

_REMEDIES = {
    "store": "make up, or correct the NIGHTLOOM_STORE_ settings",
    "registry": "nightloom registry migrate",
    "connections": "name the connection as the sentence says",
}


def _make(check: Callable[[], Finding]) -> Finding:
    name = check.__name__
    try:
        finding = check()
    except NightloomError as error:
        # The sentence may end with the advice to run this very command.
        sentence = str(error).partition("; `nightloom doctor`")[0]
        return Finding(name, ok=False, sentence=sentence, remedy=_REMEDIES.get(name))
    except OSError as error:
        return Finding(name, ok=False, sentence=f"the machine refused: {error}", remedy=_REMEDIES.get(name))
    return Finding(finding.name, ok=True, sentence=finding.sentence) if finding.ok else finding


def _read_pins(path: Path) -> dict[str, str]:
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return dict(re.findall(r"^([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", text, re.MULTILINE))


def _installed(name: str) -> str:
    try:
        # A local version label such as +cpu tells the variant, not the version.
        return version(name).partition("+")[0]
    except PackageNotFoundError:
        return "missing"


def _connections_of(recipe: Recipe) -> list[str]:
    sources = [recipe.prepare.source, *(eval_set.source for eval_set in recipe.evaluate.sets)]
    named = [recipe.predict.table_connection] if recipe.predict else []
    sources += [recipe.predict.source] if recipe.predict else []
    sources += [recipe.prepare.planted_rows.source] if recipe.prepare.planted_rows else []
    return [source.connection for source in sources if isinstance(source, SqlSource)] + [n for n in named if n]
