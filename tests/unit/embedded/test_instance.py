import json
import socket
from pathlib import Path

import yaml
from nightloom.core.env_file import read_env_file
from nightloom.core.settings import Settings
from nightloom.embedded.instance import Instance, open_instance, write_environment


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def with_port_taken(var_dir: Path, *, keep_ports: bool) -> tuple[int, Instance]:
    first = open_instance(var_dir, keep_ports=False)
    with socket.socket() as other:
        other.bind(("127.0.0.1", first.ports["s3"]))
        other.listen()
        return first.ports["s3"], open_instance(var_dir, keep_ports=keep_ports)


def test_ports_and_secrets_are_chosen_once(tmp_path: Path) -> None:
    first = open_instance(tmp_path, keep_ports=False)

    again = open_instance(tmp_path, keep_ports=False)

    assert again == first
    assert len(set(first.ports.values())) == 10


def test_used_port_is_replaced(tmp_path: Path) -> None:
    taken, again = with_port_taken(tmp_path, keep_ports=False)

    assert again.ports["s3"] != taken
    assert json.loads((tmp_path / "services" / "ports.json").read_text())["s3"] == again.ports["s3"]


def test_port_of_running_service_is_kept(tmp_path: Path) -> None:
    taken, again = with_port_taken(tmp_path, keep_ports=True)

    assert again.ports["s3"] == taken


def test_folders_have_different_ports_and_secrets(tmp_path: Path) -> None:
    one = open_instance(tmp_path / "one", keep_ports=False)
    two = open_instance(tmp_path / "two", keep_ports=False)

    assert not set(one.ports.values()) & set(two.ports.values())
    assert one.secrets["s3_secret_key"] != two.secrets["s3_secret_key"]


def test_secret_files_are_private(tmp_path: Path) -> None:
    instance = open_instance(tmp_path, keep_ports=False)
    write_environment(instance, {})

    assert mode(tmp_path / "services" / "secrets.json") == 0o600
    assert mode(instance.env_file) == 0o600
    assert mode(tmp_path / "connections.yaml") == 0o600


def test_settings_read_the_environment_file(tmp_path: Path) -> None:
    instance = open_instance(tmp_path, keep_ports=False)
    write_environment(instance, {"NIGHTLOOM_DATA_DIR": "/data/with a 'quote' and space"})

    settings = Settings(_env_file=instance.env_file)

    assert settings.store_endpoint_url == f"http://127.0.0.1:{instance.ports['s3']}"
    assert settings.airflow_url == f"http://127.0.0.1:{instance.ports['airflow']}"
    assert settings.store_secret_key is not None
    assert settings.store_secret_key.get_secret_value() == instance.secrets["s3_secret_key"]
    assert settings.data_dir == Path("/data/with a 'quote' and space")


def test_added_lines_are_kept(tmp_path: Path) -> None:
    instance = open_instance(tmp_path, keep_ports=False)
    instance.env_file.write_text("NIGHTLOOM_STORE_REGION=eu-central-1\n")
    (tmp_path / "connections.yaml").write_text("tickets: postgresql://elsewhere/tickets\n")

    write_environment(instance, {})

    assert Settings(_env_file=instance.env_file).store_region == "eu-central-1"
    assert yaml.safe_load((tmp_path / "connections.yaml").read_text()) == {"tickets": "postgresql://elsewhere/tickets"}


def test_given_variables_are_remembered(tmp_path: Path) -> None:
    instance = open_instance(tmp_path, keep_ports=False)
    write_environment(instance, {"AIRFLOW_CONN_CRM": "sqlite://%2Fcrm.db"})

    write_environment(instance, {})

    assert read_env_file(instance.env_file)["AIRFLOW_CONN_CRM"] == "sqlite://%2Fcrm.db"


def test_example_connection_is_in_var_folder(tmp_path: Path) -> None:
    write_environment(open_instance(tmp_path, keep_ports=False), {})

    connections = yaml.safe_load((tmp_path / "connections.yaml").read_text())

    assert connections == {"tickets": f"sqlite:///{tmp_path}/example/tickets.db"}


def test_deep_folder_has_short_socket_path(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)

    folder = open_instance(deep, keep_ports=False).socket_dir

    assert len(str(folder / "supervisor.sock")) < 100
