"""Doctor checks: one small function per check. A failed check names the command that fixes it."""

import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from nightloom.core.connections import resolve_connection, show_address
from nightloom.core.counts import show_count
from nightloom.core.env_file import PROJECT_ROOT
from nightloom.core.errors import NightloomError
from nightloom.core.s3 import connect_bucket
from nightloom.core.settings import get_settings
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
class CheckResult:
    """Result of a check. `remedy` is what to do, or None if the check passed."""

    name: str
    ok: bool
    message: str
    remedy: str | None = None


def run_checks() -> list[CheckResult]:
    """Run every check. A check that raises an error does not stop the others."""
    return [_run(check) for check in CHECKS]


def python() -> CheckResult:
    """Check that the Python version is one that the pinned packages support."""
    message = f"Python {sys.version.split()[0]}"
    return CheckResult("python", sys.version_info >= (3, 11), message, "install Python 3.11")


def packages() -> CheckResult:
    """Check that the installed packages have the pinned versions."""
    wanted = _read_pins(PROJECT_ROOT / "requirements.lock") | _read_pins(PROJECT_ROOT / "requirements.txt")
    wrong = [f"{name} {found}, not {pin}" for name, pin in wanted.items() if (found := _installed(name)) != pin]
    message = f"{len(wanted)} pinned packages, {len(wrong)} differ" + (f": {', '.join(wrong[:5])}" if wrong else "")
    return CheckResult(
        "packages", not wrong, message, "rm .venv/.installed, then make up, which installs the pinned packages"
    )


def worker() -> CheckResult:
    """Check that the interpreter of training and batch prediction exists."""
    path = get_settings().worker_python
    remedy = "set NIGHTLOOM_WORKER_PYTHON to an interpreter that has torch and nightloom"
    return CheckResult(
        "worker", shutil.which(path) is not None, f"training and batch prediction run with {path}", remedy
    )


def devices() -> CheckResult:
    """Check that torch can use the GPUs of this machine: it must not be the CPU build."""
    found, torch = len(list_devices()), worker_packages().get("torch", "missing")
    if not found:
        return CheckResult("devices", ok=True, message="no GPU: models run on the CPU")
    message = f"{show_count(found, 'GPU')}, torch {torch}"
    remedy = "rm -r .venv, then make up without TORCH_INDEX, which installs the GPU build of torch"
    return CheckResult("devices", not torch.endswith("+cpu"), message, remedy)


def disk() -> CheckResult:
    """Check that the disk has space for a night."""
    folder = get_settings().var_dir
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free / 1e9
    remedy = f"free {_LEAST_FREE_GB} GB, or set NIGHTLOOM_VAR_DIR to a larger disk"
    return CheckResult("disk", free >= _LEAST_FREE_GB, f"{free:.1f} GB free at {existing}", remedy)


def store() -> CheckResult:
    """Check that the object store answers, and refuses a second writer of a key."""
    settings = get_settings()
    connect_bucket(settings).prove()
    where = settings.store_endpoint_url or "AWS"
    return CheckResult(
        "store", ok=True, message=f"bucket {settings.store_bucket!r} at {where} answers and refuses to overwrite"
    )


def registry() -> CheckResult:
    """Check that the registry answers, has this version's tables, and has an unaltered ref log."""
    database = Database(get_settings().registry_address)
    try:
        moves = verify_log(database)
    finally:
        database.close()
    return CheckResult("registry", ok=True, message=f"the ref log is unaltered, {show_count(moves, 'move')}")


def recipes() -> CheckResult:
    """Check that every recipe is valid."""
    valid, broken = load_recipes()
    message = f"{len(valid)} valid" + (f", {len(broken)} broken" if broken else "")
    remedy = "; ".join(f"nightloom recipe check {file}" for file in broken) or "add a recipe to include/recipes"
    return CheckResult("recipes", bool(valid) and not broken, message, remedy)


def data() -> CheckResult:
    """Check that the folder of `{data}` exists, and say which recipes wait for one."""
    folder, (valid, _) = get_settings().data_dir, load_recipes()
    remedy = "set NIGHTLOOM_DATA_DIR to a folder, or remove it from var/nightloom.env"
    if folder is not None:
        there = folder.is_dir()
        return CheckResult("data", there, f"{folder}" if there else f"there is no folder {folder}", remedy)
    waiting = [
        f"{name} is not scheduled: {recipe.missing_data}" for name, recipe in valid.items() if recipe.missing_data
    ]
    return CheckResult("data", ok=True, message="; ".join(waiting) or "no recipe reads a data folder")


def connections() -> CheckResult:
    """Check that every database of a recipe answers."""
    import sqlalchemy as sa

    valid, _ = load_recipes()
    names = sorted({name for recipe in valid.values() for name in _connections_of(recipe)})
    for name in names:
        engine = sa.create_engine(resolve_connection(name), poolclass=sa.NullPool)
        try:
            with engine.connect() as connection:
                connection.execute(sa.text("SELECT 1"))
        except sa.exc.SQLAlchemyError as error:
            where = show_address(engine.url)
            message = f"{name} at {where} does not answer: {type(error).__name__}"
            return CheckResult("connections", ok=False, message=message, remedy="start the database or correct its URL")
    return CheckResult("connections", ok=True, message=", ".join(names) or "no recipe uses a database")


def airflow() -> CheckResult:
    """Check that Airflow is set up and healthy."""
    import httpx

    url = get_settings().airflow_url
    if url is None:
        return CheckResult("airflow", ok=False, message="Airflow is not set up", remedy="make up")
    try:
        health = httpx.get(f"{url}/api/v2/monitor/health", timeout=_TIMEOUT_S).json()
    except (httpx.HTTPError, ValueError) as error:
        return CheckResult(
            "airflow", ok=False, message=f"{url} does not answer: {type(error).__name__}", remedy="make up"
        )
    sick = [name for name, part in health.items() if part and part.get("status") not in ("healthy", None)]
    message = f"{url}" + (f": {', '.join(sick)} not healthy" if sick else "")
    return CheckResult("airflow", not sick, message, "make down, then make up")


CHECKS: tuple[Callable[[], CheckResult], ...] = (
    python,
    packages,
    worker,
    devices,
    disk,
    store,
    registry,
    recipes,
    data,
    connections,
    airflow,
)

_REMEDIES = {
    "store": "make up, or correct the NIGHTLOOM_STORE_ settings",
    "registry": "nightloom registry migrate",
    "connections": "set the connection as described in the message",
}


def _run(check: Callable[[], CheckResult]) -> CheckResult:
    name = check.__name__
    try:
        result = check()
    except NightloomError as error:
        # The message may end with the advice to run `nightloom doctor`.
        message = str(error).partition("; `nightloom doctor`")[0]
        return CheckResult(name, ok=False, message=message, remedy=_REMEDIES.get(name))
    except OSError as error:
        return CheckResult(
            name, ok=False, message=f"the operating system reported: {error}", remedy=_REMEDIES.get(name)
        )
    # A passed check needs no remedy.
    return CheckResult(result.name, ok=True, message=result.message) if result.ok else result


def _read_pins(path: Path) -> dict[str, str]:
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return dict(re.findall(r"^([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", text, re.MULTILINE))


def _installed(name: str) -> str:
    try:
        # A local label such as +cpu is the build, not the version.
        return version(name).partition("+")[0]
    except PackageNotFoundError:
        return "missing"


def _connections_of(recipe: Recipe) -> list[str]:
    named = [recipe.predict.table_connection] if recipe.predict else []
    return [source.connection for source in recipe.sources if isinstance(source, SqlSource)] + [n for n in named if n]
