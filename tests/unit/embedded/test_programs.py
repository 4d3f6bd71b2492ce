from importlib.util import find_spec
from pathlib import Path

from nightloom.embedded.instance import open_instance, write_environment
from nightloom.embedded.programs import airflow_environment, airflow_programs, store_program


def test_store_listens_on_loopback_only(tmp_path: Path) -> None:
    instance = open_instance(tmp_path, keep_ports=False)

    command = store_program(instance).command

    assert {"-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3.port.iceberg=0", "-s3.port.lance=0"} <= set(command)
    assert f"-s3.port={instance.ports['s3']}" in command


def test_command_lines_have_no_secrets(tmp_path: Path) -> None:
    instance = open_instance(tmp_path, keep_ports=False)

    programs = (store_program(instance), *airflow_programs(instance))

    words = " ".join(" ".join(program.command) for program in programs)
    assert not [name for name, secret in instance.secrets.items() if secret in words]


def test_store_has_credentials_of_settings(tmp_path: Path) -> None:
    instance = open_instance(tmp_path, keep_ports=False)

    environment = store_program(instance).environment

    assert environment["AWS_ACCESS_KEY_ID"] == instance.secrets["s3_access_key"]
    assert environment["AWS_SECRET_ACCESS_KEY"] == instance.secrets["s3_secret_key"]


def test_airflow_has_three_processes(tmp_path: Path) -> None:
    programs = airflow_programs(open_instance(tmp_path, keep_ports=False))

    assert [program.name for program in programs] == ["api-server", "scheduler", "dag-processor"]


def test_airflow_stays_on_loopback_and_var_folder(tmp_path: Path) -> None:
    environment = airflow_environment(open_instance(tmp_path, keep_ports=False))

    assert environment["AIRFLOW_HOME"] == f"{tmp_path}/airflow"
    assert environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == f"sqlite:///{tmp_path}/airflow/airflow.db?timeout=15"
    assert environment["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert environment["AIRFLOW__USAGE_DATA_COLLECTION__ENABLED"] == "False"
    assert environment["AIRFLOW__CORE__LOAD_EXAMPLES"] == "False"


def test_environment_file_overrides_airflow_settings(tmp_path: Path) -> None:
    instance = open_instance(tmp_path, keep_ports=False)
    write_environment(instance, {"AIRFLOW__CORE__PARALLELISM": "9", "NIGHTLOOM_DATA_DIR": "/data"})

    environment = airflow_environment(instance)

    assert environment["AIRFLOW__CORE__PARALLELISM"] == "9"
    assert "NIGHTLOOM_DATA_DIR" not in environment


def test_tasks_are_forked_from_libraries_alone(tmp_path: Path) -> None:
    environment = airflow_environment(open_instance(tmp_path, keep_ports=False))

    preload = find_spec(environment["AIRFLOW__CORE__MP_FORKSERVER_PRELOAD"])

    assert environment["AIRFLOW__SCHEDULER__MP_START_METHOD"] == "forkserver"
    assert preload
    assert "nightloom" not in Path(str(preload.origin)).read_text(encoding="utf-8")
