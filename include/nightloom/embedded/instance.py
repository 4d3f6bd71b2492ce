"""Instance: the folder, ports and secrets of one copy of the embedded services."""

import base64
import hashlib
import json
import os
import secrets
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nightloom.core.env_file import ENV_FILE_NAME, read_env_file
from nightloom.core.errors import FaultError
from nightloom.core.settings import Settings

OWNER_VARIABLE = "NIGHTLOOM_OWNER"
ADMIN = "admin"
EXAMPLE_CONNECTION = "tickets"

_LOOPBACK = "127.0.0.1"
# Below the range that Linux uses for outgoing connections.
_PORTS = range(20_000, 32_000)
_PORT_NAMES = (
    *("s3", "s3_grpc", "filer", "filer_grpc", "master", "master_grpc", "volume", "volume_grpc"),
    *("airflow", "task_logs"),
)
_LONGEST_SOCKET_DIR = 80


@dataclass(frozen=True, slots=True)
class Instance:
    """The services of one var folder: where their files are, and how to reach them."""

    var_dir: Path
    ports: Mapping[str, int]
    secrets: Mapping[str, str]

    @property
    def services_dir(self) -> Path:
        """Folder of the generated configuration."""
        return self.var_dir / "services"

    @property
    def logs_dir(self) -> Path:
        """Folder of the services' logs."""
        return self.var_dir / "logs"

    @property
    def airflow_home(self) -> Path:
        """Airflow's home, with its database and task logs."""
        return self.var_dir / "airflow"

    @property
    def env_file(self) -> Path:
        """File of settings that every command of this installation reads."""
        return self.var_dir / ENV_FILE_NAME

    @property
    def s3_url(self) -> str:
        """URL of the object store."""
        return f"http://{_LOOPBACK}:{self.ports['s3']}"

    @property
    def airflow_url(self) -> str:
        """URL of the Airflow UI."""
        return f"http://{_LOOPBACK}:{self.ports['airflow']}"

    @property
    def socket_dir(self) -> Path:
        """Folder of Unix sockets. The kernel limits their paths to about 100 characters."""
        folder = self.services_dir / "sockets"
        if len(str(folder)) <= _LONGEST_SOCKET_DIR:
            return folder
        name = hashlib.sha256(str(self.var_dir).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"nightloom-{os.getuid()}-{name}"

    def settings(self) -> Settings:
        """Return the settings of this instance, regardless of the environment."""
        given: dict[str, Any] = {"var_dir": self.var_dir, **_store_settings(self)}
        return Settings(_env_file=self.env_file, **given)


def open_instance(var_dir: Path, *, keep_ports: bool) -> Instance:
    """Return the instance of a var folder. Missing ports and secrets are chosen and remembered.

    Args:
        var_dir: Folder of all files of the instance.
        keep_ports: Keep the ports, because the services may run. Otherwise a port that is in use is replaced.
    """
    var_dir = var_dir.resolve()
    services_dir = var_dir / "services"
    services_dir.mkdir(parents=True, exist_ok=True)
    ports = _choose_ports(services_dir / "ports.json", var_dir, keep=keep_ports)
    return Instance(var_dir, ports, _choose_secrets(services_dir / "secrets.json"))


def write_environment(instance: Instance, given: Mapping[str, str]) -> None:
    """Write `nightloom.env` and `connections.yaml`. Lines that the user added are kept.

    Args:
        instance: The instance that commands will use.
        given: Further variables to remember: settings of Nightloom, and variables for Airflow's environment.
    """
    ours = {f"NIGHTLOOM_{name.upper()}": value for name, value in _store_settings(instance).items()}
    ours["NIGHTLOOM_AIRFLOW_URL"] = instance.airflow_url
    merged = {**read_env_file(instance.env_file), **ours, **given}
    text = "".join(f"{key}={_quote(value)}\n" for key, value in sorted(merged.items()))
    write_private(instance.env_file, "# Written by `make up`. Lines that you add are kept.\n" + text)

    connections_file = instance.var_dir / "connections.yaml"
    connections = (yaml.safe_load(connections_file.read_text()) if connections_file.exists() else None) or {}
    if EXAMPLE_CONNECTION not in connections:
        (instance.var_dir / "example").mkdir(exist_ok=True)
        write_private(connections_file, yaml.safe_dump({**connections, EXAMPLE_CONNECTION: example_url(instance)}))


def example_url(instance: Instance) -> str:
    """Return the database URL of the example recipe's ticket system."""
    return f"sqlite:///{instance.var_dir / 'example' / 'tickets.db'}"


def write_private(path: Path, text: str) -> None:
    """Replace a file atomically. Only its owner can read it."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        partial.unlink()
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    partial.replace(path)


def _quote(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _store_settings(instance: Instance) -> dict[str, str]:
    return {
        "store_endpoint_url": instance.s3_url,
        "store_access_key": instance.secrets["s3_access_key"],
        "store_secret_key": instance.secrets["s3_secret_key"],
        "store_bucket": "nightloom",
    }


def _choose_ports(file: Path, var_dir: Path, *, keep: bool) -> dict[str, int]:
    saved: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
    free = _free_ports(var_dir, taken=set(saved.values()))
    ports = {
        name: saved[name] if name in saved and (keep or _is_free(saved[name])) else next(free) for name in _PORT_NAMES
    }
    if ports != saved:
        write_private(file, json.dumps(ports, indent=2) + "\n")
    return ports


def _free_ports(var_dir: Path, taken: set[int]) -> Iterator[int]:
    # The search begins at a port derived from the folder, so that two instances started at once choose different ones.
    start = int(hashlib.sha256(str(var_dir).encode()).hexdigest()[:8], 16) % len(_PORTS)
    for offset in range(len(_PORTS)):
        port = _PORTS[(start + offset) % len(_PORTS)]
        if port not in taken and _is_free(port):
            yield port
    msg = f"no free port on {_LOOPBACK} between {_PORTS.start} and {_PORTS.stop}; stop programs that use them"
    raise FaultError(msg)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_LOOPBACK, port))
        except OSError:
            return False
    return True


def _choose_secrets(file: Path) -> dict[str, str]:
    saved: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    chosen = {
        "s3_access_key": secrets.token_hex(10),
        "s3_secret_key": secrets.token_urlsafe(30),
        "store_signing_key": secrets.token_hex(32),
        "admin_password": secrets.token_urlsafe(12),
        "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "api_secret_key": secrets.token_hex(32),
        "jwt_secret": secrets.token_hex(64),
    }
    if saved.keys() == chosen.keys():
        return saved
    write_private(file, json.dumps({**chosen, **saved}, indent=2) + "\n")
    return {**chosen, **saved}
