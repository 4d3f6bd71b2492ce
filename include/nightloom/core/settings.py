"""Settings: all settings of the environment, read once from `NIGHTLOOM_*` variables.

`make up` writes `var/nightloom.env` for the embedded services; environment variables override it.
"""

import sys
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from nightloom.core.env_file import PREFIX, PROJECT_ROOT, find_env_file, read_env_file
from nightloom.core.errors import InputError


class Settings(BaseSettings):
    """Connections and folders of this installation."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    var_dir: Path = Field(default=PROJECT_ROOT / "var", description="Folder for everything written to disk.")
    recipes_dir: Path = Field(
        default=PROJECT_ROOT / "include" / "recipes", description="Folder of recipes, one YAML file each."
    )
    prompts_dir: Path = Field(
        default=PROJECT_ROOT / "include" / "prompts", description="Folder of prompts, one file per version."
    )
    expectations_dir: Path = Field(
        default=PROJECT_ROOT / "include" / "expectations", description="Folder of your Great Expectations suites."
    )
    registry_url: SecretStr = Field(
        default=SecretStr(""), description="SQLAlchemy URL of the registry, or empty for SQLite under var_dir."
    )
    store_bucket: str = Field(default="nightloom", description="Bucket of the object store.")
    store_prefix: str = Field(default="", description="Prefix of all keys in the bucket; owned by one registry.")
    store_endpoint_url: str | None = Field(default=None, description="S3 endpoint, or unset for AWS.")
    store_region: str = Field(default="us-east-1", description="S3 region.")
    store_access_key: SecretStr | None = Field(
        default=None, description="S3 access key, or unset for boto3's defaults."
    )
    store_secret_key: SecretStr | None = Field(
        default=None, description="S3 secret key, or unset for boto3's defaults."
    )
    worker_python: Path = Field(
        default=Path(sys.executable), description="Python interpreter for training and generation."
    )
    processes: int = Field(
        default=1, ge=1, description="Processes that train one trial together: one per GPU of a task."
    )
    data_dir: Path | None = Field(
        default=None,
        description="Folder for `{data}` in a recipe's file paths; set by `make nightly DATA=…`.",
    )
    checkpoint_seconds: float = Field(
        default=120, gt=0, description="Seconds between checkpoints of a training; changes no result."
    )
    prices: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(
        default_factory=dict, description="Prices per device hour, by device name or its prefix; used for budgets."
    )
    airflow_url: str | None = Field(default=None, description="URL of the Airflow UI, for links.")

    @property
    def registry_address(self) -> str:
        """The registry's SQLAlchemy URL, with its password."""
        return self.registry_url.get_secret_value() or f"sqlite:///{self.var_dir / 'registry.db'}"


@cache
def get_settings() -> Settings:
    """Return the settings, read once per process.

    Raises:
        InputError: A setting is invalid, or a line of the file cannot be read.
    """
    file = find_env_file()
    read_env_file(file)
    try:
        return Settings(_env_file=file)
    except ValidationError as error:
        # Without the value, which may be a secret.
        first = error.errors()[0]
        name, why = str(first["loc"][0]), first["msg"]
    except SettingsError as error:
        name, why = str(error).split('"')[1], "it is not JSON"
    variable = f"{PREFIX}{name.upper()}"
    msg = f"{variable} is invalid: {why}; correct it in the environment or in {file}"
    raise InputError(msg)
