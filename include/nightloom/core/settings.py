"""Settings: every choice that depends on the environment, read once from `NIGHTLOOM_*` variables.

`make up` writes `var/nightloom.env` with what the embedded services need; a variable of the environment wins over it.
"""

import os
import sys
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from nightloom.core.errors import InputError

PROJECT_ROOT = Path(__file__).resolve().parents[3]
ENV_FILE_NAME = "nightloom.env"


class Settings(BaseSettings):
    """What this installation is connected to and where its files lie."""

    model_config = SettingsConfigDict(env_prefix="NIGHTLOOM_", frozen=True, extra="ignore")

    var_dir: Path = Field(default=PROJECT_ROOT / "var", description="Where all that a run writes on disk lies.")
    recipes_dir: Path = Field(default=PROJECT_ROOT / "include" / "recipes", description="One YAML file a recipe.")
    prompts_dir: Path = Field(default=PROJECT_ROOT / "include" / "prompts", description="One file a prompt version.")
    expectations_dir: Path = Field(
        default=PROJECT_ROOT / "include" / "expectations", description="Great Expectations suites."
    )
    registry_url: SecretStr = Field(
        default=SecretStr(""), description="SQLAlchemy URL of the registry; empty: SQLite under var_dir."
    )
    store_bucket: str = Field(default="nightloom", description="Bucket of the object store.")
    store_prefix: str = Field(default="", description="Prefix of every key in the bucket; one registry owns it.")
    store_endpoint_url: str | None = Field(default=None, description="S3 endpoint; none: AWS itself.")
    store_region: str = Field(default="us-east-1", description="S3 region.")
    store_access_key: SecretStr | None = Field(default=None, description="S3 access key; none: as boto3 finds it.")
    store_secret_key: SecretStr | None = Field(default=None, description="S3 secret key; none: as boto3 finds it.")
    worker_python: Path = Field(default=Path(sys.executable), description="The interpreter that trains and generates.")
    processes: int = Field(
        default=1, ge=1, description="Processes that train one trial together: as many as a task has GPUs."
    )
    data_dir: Path | None = Field(
        default=None,
        description="Where `{data}` in a recipe's file paths points; `make nightly DATA=…` sets it.",
    )
    checkpoint_seconds: float = Field(
        default=120, gt=0, description="From one checkpoint of a training to the next; changes no result."
    )
    prices: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(
        default_factory=dict, description="Money an hour, by the name of a device or its beginning: for budgets."
    )
    airflow_url: str | None = Field(default=None, description="Address of the Airflow UI, for links.")

    @property
    def registry_address(self) -> str:
        """The registry's SQLAlchemy URL, with its password."""
        return self.registry_url.get_secret_value() or f"sqlite:///{self.var_dir / 'registry.db'}"


@cache
def get_settings() -> Settings:
    """Read the settings once a process.

    Raises:
        InputError: One is not what it should be.
    """
    var_dir = Path(os.environ.get("NIGHTLOOM_VAR_DIR", PROJECT_ROOT / "var"))
    try:
        return Settings(_env_file=var_dir / ENV_FILE_NAME)
    except ValidationError as error:
        # Not the value, which may be a secret.
        first = error.errors()[0]
        name, why = str(first["loc"][0]), first["msg"]
    except SettingsError as error:
        name, why = str(error).split('"')[1], "it is not JSON"
    variable = f"NIGHTLOOM_{name.upper()}"
    msg = f"{variable} cannot be used: {why}; correct it in the environment or in {var_dir / ENV_FILE_NAME}"
    raise InputError(msg)
