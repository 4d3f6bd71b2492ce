"""Lifecycle: start the services of a var folder until each is ready, and stop all of their processes."""

import fcntl
import logging
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from nightloom.core.counts import show_count
from nightloom.core.errors import FaultError, StoreError
from nightloom.core.store import connect_store
from nightloom.embedded.airflow_api import AirflowApi
from nightloom.embedded.instance import ADMIN, Instance, open_instance, write_environment
from nightloom.embedded.programs import (
    AIRFLOW,
    airflow_environment,
    airflow_programs,
    inherited_environment,
    store_program,
)
from nightloom.embedded.supervisor import Supervisor, stop_owned, wait_until
from nightloom.processes.devices import list_devices
from nightloom.registry.database import migrate

logger = logging.getLogger(__name__)

_STORE_S = 60
_AIRFLOW_S = 300


def up(var_dir: Path, *, airflow: bool = True, environment: Mapping[str, str] | None = None) -> Instance:
    """Start the services that do not run, wait until they are ready, and return the instance. Safe to run again.

    Args:
        var_dir: Folder of all files of the instance. Each folder is an independent instance.
        airflow: Also start Airflow. Otherwise only the object store is started, and a running Airflow is left running.
        environment: Variables to remember in `nightloom.env`: `NIGHTLOOM_*` settings, and variables for Airflow's
            environment.

    Raises:
        FaultError: A service did not start in time. The message names its log.
    """
    with _locked(var_dir):
        instance = _claim(var_dir)
        write_environment(instance, environment or {})
        supervisor = Supervisor(instance)
        store = store_program(instance)
        programs = airflow_programs(instance)
        supervisor.run([store, *programs] if AIRFLOW[0] in supervisor.states() else [store])
        migrate(instance.settings().registry_address)
        if airflow:
            _migrate_airflow(instance)
        _wait_for_store(instance)
        if airflow:
            supervisor.run([store, *programs])
            _wait_for_airflow(instance)
    return instance


def down(var_dir: Path) -> int:
    """Stop all processes of a var folder. Return how many were left over after the services had stopped."""
    if not var_dir.exists():
        return 0
    with _locked(var_dir):
        instance = open_instance(var_dir, keep_ports=True)
        Supervisor(instance).stop()
        swept = stop_owned(instance.var_dir)
        _remove_sockets(instance)
    return swept


def status(var_dir: Path) -> dict[str, str]:
    """Return the state of every service by name. Empty if none was started."""
    if not (var_dir / "services").exists():
        return {}
    return Supervisor(open_instance(var_dir, keep_ports=True)).states()


def describe_login(instance: Instance) -> str:
    """Return a line with the URL and the login of the UI."""
    return f"Airflow       {instance.airflow_url}  user {ADMIN}  password {instance.secrets['admin_password']}"


@contextmanager
def _locked(var_dir: Path) -> Iterator[None]:
    folder = var_dir / "services"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.info("waiting for another `make up` or `make down` in %s", var_dir)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _claim(var_dir: Path) -> Instance:
    """Return the instance, after stopping processes that no supervisor controls."""
    instance = open_instance(var_dir, keep_ports=True)
    pid = Supervisor(instance).pid()
    if strays := stop_owned(instance.var_dir, supervisor=pid):
        logger.info("stopped %s left by an earlier supervisor", show_count(strays, "process", "processes"))
    return instance if pid else open_instance(var_dir, keep_ports=False)


def _remove_sockets(instance: Instance) -> None:
    shutil.rmtree(instance.socket_dir, ignore_errors=True)
    # SeaweedFS always creates these sockets in /tmp, and leaves them there when it is killed.
    for part in ("master", "volume", "filer", "s3"):
        Path(f"/tmp/seaweedfs-{part}-grpc-{instance.ports[f'{part}_grpc']}.sock").unlink(missing_ok=True)  # noqa: S108


def _wait_for_store(instance: Instance) -> None:
    """Wait until an object can be written and read: the volume server joins after the gateway is ready."""
    store = connect_store(instance.settings())

    def refusal() -> str | None:
        try:
            store.bucket.ensure_exists()
            store.get_blob(store.put_blob(b"nightloom\n"))
        except StoreError as error:
            return f"{error}; its log is {instance.logs_dir / 'seaweedfs.log'}"
        return None

    wait_until("the object store", refusal, timeout_s=_STORE_S)


def _migrate_airflow(instance: Instance) -> None:
    """Create or upgrade Airflow's database, once for each version of Airflow."""
    from importlib.metadata import version

    stamp = instance.airflow_home / "migrated"
    if stamp.exists() and stamp.read_text() == version("apache-airflow"):
        return
    instance.airflow_home.mkdir(exist_ok=True)
    log = instance.logs_dir / "airflow-migrate.log"
    with log.open("w") as file:
        done = subprocess.run(
            [sys.executable, "-m", "airflow", "db", "migrate"],
            env={**inherited_environment(instance), **airflow_environment(instance)},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode != 0:
        msg = f"airflow db migrate failed with exit code {done.returncode}; see {log}"
        raise FaultError(msg)
    stamp.write_text(version("apache-airflow"))


def _wait_for_airflow(instance: Instance) -> None:
    """Wait until every component is healthy, and create the pool `gpu` with a slot per GPU, at least one."""
    api = AirflowApi.of(instance)
    logs = f"the logs are {instance.logs_dir}/*.log"

    def refusal() -> str | None:
        try:
            health = api.health()
        except httpx.HTTPError as error:
            return f"{instance.airflow_url} does not answer ({error}); {logs}"
        ill = [name for name in ("metadatabase", "scheduler", "dag_processor") if health.get(name) != "healthy"]
        return f"not healthy yet: {', '.join(ill)}; {logs}" if ill else None

    wait_until("Airflow", refusal, timeout_s=_AIRFLOW_S)
    api.ensure_pool("gpu", slots=max(1, len(list_devices())), description="Tasks that train or generate.")
