"""Programs: what is started, with which command line and environment."""

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nightloom.core.errors import FaultError
from nightloom.core.settings import PROJECT_ROOT
from nightloom.embedded.instance import ADMIN, OWNER_VARIABLE, Instance, read_environment, write_private

STORE = "seaweedfs"
AIRFLOW = ("api-server", "scheduler", "dag-processor")


@dataclass(frozen=True, slots=True)
class Program:
    """One process that the supervisor keeps alive."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    stop_s: int = 8


def store_program(instance: Instance) -> Program:
    """Describe SeaweedFS: master, volume server, filer and S3 gateway in one process, on loopback."""
    data_dir = instance.var_dir / "seaweedfs"
    data_dir.mkdir(exist_ok=True)
    ports, sockets = instance.ports, instance.socket_dir
    options = {
        "dir": data_dir,
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "master.port": ports["master"],
        "master.port.grpc": ports["master_grpc"],
        "master.telemetry": "false",
        # There is no other master to wait for. It elects itself; the default gives others ten seconds to object.
        "master.peers": "none",
        "master.electionTimeout": "500ms",
        "master.heartbeatInterval": "100ms",
        # Small volumes, and as many as the disk holds: the default claims 30 GB apiece.
        "master.volumeSizeLimitMB": 512,
        "volume.max": 0,
        "volume.port": ports["volume"],
        "volume.port.grpc": ports["volume_grpc"],
        # By name and not by address, so that its volumes are known again when a port had to change.
        "volume.id": "nightloom",
        "volume.preStopSeconds": 0,
        "filer": "true",
        "filer.port": ports["filer"],
        "filer.port.grpc": ports["filer_grpc"],
        "filer.localSocket": sockets / "filer.sock",
        "s3": "true",
        "s3.port": ports["s3"],
        "s3.port.grpc": ports["s3_grpc"],
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.localSocket": sockets / "s3.sock",
    }
    command = (_find_weed(), "-logtostderr=true", "server", *(f"-{key}={value}" for key, value in options.items()))
    signing_key = instance.secrets["store_signing_key"]
    environment = {
        "AWS_ACCESS_KEY_ID": instance.secrets["s3_access_key"],
        "AWS_SECRET_ACCESS_KEY": instance.secrets["s3_secret_key"],
        # What lies behind the S3 gateway listens on loopback too: without a key, any local process may write there.
        "WEED_JWT_SIGNING_KEY": signing_key,
        "WEED_JWT_FILER_SIGNING_KEY": signing_key,
        "WEED_JWT_FILER_SIGNING_READ_KEY": signing_key,
        "WEED_MASTER_VOLUME_GROWTH_COPY_1": "2",
    }
    # A gentle end takes it fifteen seconds of waiting for its own streams; what it has answered for is on disk.
    return Program(STORE, command, environment, stop_s=1)


def airflow_programs(instance: Instance) -> tuple[Program, ...]:
    """Describe Airflow's processes. There is no triggerer: nothing of ours is deferrable, approvals need none."""
    environment = airflow_environment(instance)
    commands = {
        "api-server": ("api-server",),
        # Its log server would listen on every interface; the API server reads the same files from disk.
        "scheduler": ("scheduler", "--skip-serve-logs"),
        "dag-processor": ("dag-processor",),
    }
    return tuple(Program(name, (sys.executable, "-m", "airflow", *commands[name]), environment) for name in AIRFLOW)


def inherited_environment(instance: Instance) -> dict[str, str]:
    """Return the environment that every process of an instance inherits, with the mark of its owner."""
    return {
        **os.environ,
        OWNER_VARIABLE: str(instance.var_dir),
        "NIGHTLOOM_VAR_DIR": str(instance.var_dir),
        # Airflow renames its processes, which would overwrite the environment that the owner is read from.
        "SPT_NOENV": "1",
    }


def airflow_environment(instance: Instance) -> dict[str, str]:
    """Return what Airflow's processes, and so the tasks, find in their environment.

    Variables in `nightloom.env` that are none of our settings win, such as `AIRFLOW__CORE__PARALLELISM`. Our own are
    read from that file by whoever needs them: a process that runs sees a change.
    """
    passwords = instance.services_dir / "passwords.json"
    write_private(passwords, json.dumps({ADMIN: instance.secrets["admin_password"]}) + "\n")
    settings = {
        f"AIRFLOW__{section.upper()}__{key.upper()}": value
        for section, options in _airflow_sections(instance, passwords).items()
        for key, value in options.items()
    }
    return {
        "AIRFLOW_HOME": str(instance.airflow_home),
        **settings,
        "GX_ANALYTICS_ENABLED": "False",
        "PYTHONUNBUFFERED": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        **{key: value for key, value in read_environment(instance).items() if not key.startswith("NIGHTLOOM_")},
    }


def _airflow_sections(instance: Instance, passwords: Path) -> dict[str, dict[str, str]]:
    """Return what Airflow is told, by section of its configuration."""
    home, url = instance.airflow_home, instance.airflow_url
    return {
        "core": {
            "executor": "LocalExecutor",
            # The machine has few cores.
            "parallelism": str(min(16, max(4, os.cpu_count() or 1))),
            "mp_forkserver_preload": "nightloom.embedded.preload",
            "load_examples": "False",
            "dags_folder": str(PROJECT_ROOT / "dags"),
            "plugins_folder": str(PROJECT_ROOT / "plugins"),
            "execution_api_server_url": f"{url}/execution/",
            "simple_auth_manager_users": f"{ADMIN}:admin",
            "simple_auth_manager_passwords_file": str(passwords),
            "fernet_key": instance.secrets["fernet_key"],
        },
        # A busy machine keeps a writer waiting for longer than the five seconds after which SQLite gives up. But not
        # much longer: the API server writes its audit log within its event loop, and when a task's transaction, which
        # needs that loop to end, holds the lock just then, both stand still until SQLite gives up.
        "database": {"sql_alchemy_conn": f"sqlite:///{home / 'airflow.db'}?timeout=15"},
        "api": {
            "host": "127.0.0.1",
            "port": str(instance.ports["airflow"]),
            "base_url": url,
            "secret_key": instance.secrets["api_secret_key"],
            "instance_name": "Nightloom",
        },
        "api_auth": {"jwt_secret": instance.secrets["jwt_secret"]},
        # A training task may outlive the defaults, ten minutes and three missed heartbeats on a busy machine.
        "execution_api": {"jwt_expiration_time": "86400"},
        "workers": {"max_failed_heartbeats": "12", "execution_api_timeout": "30"},
        # After `make down` in the middle of a night, its tasks begin anew this long after `make up`.
        "scheduler": {
            "orphaned_tasks_check_interval": "15",
            # A task waits half of it, on average, for the one before it.
            "scheduler_idle_sleep_time": "0.5",
            "mp_start_method": "forkserver",
        },
        "dag_processor": {"refresh_interval": "15", "min_file_process_interval": "60"},
        "logging": {
            "colored_console_log": "False",
            "worker_log_server_port": str(instance.ports["task_logs"]),
            # It has a line for each of the two hundred functions that it does not document.
            "namespace_levels": "great_expectations._docs_decorators=WARNING",
        },
        "usage_data_collection": {"enabled": "False"},
    }


def _find_weed() -> str:
    beside = Path(sys.executable).parent / "weed"
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        msg = "SeaweedFS's `weed` is not installed; run `pip install -r requirements.txt` in the environment"
        raise FaultError(msg)
    return found
