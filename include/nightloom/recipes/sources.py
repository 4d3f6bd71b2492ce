"""Sources: where a recipe reads rows from."""

import re
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Discriminator, Field, Tag, field_validator

from nightloom.core.errors import InputError
from nightloom.core.extensions import SOURCES, list_extensions
from nightloom.core.manifests import Plain
from nightloom.core.settings import get_settings

SQL_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,39}$")]


def _check_time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:
        msg = f"{name!r} is not a known time zone; write an IANA name such as Europe/Berlin"
        raise ValueError(msg) from error
    return name


TimeZone = Annotated[str, AfterValidator(_check_time_zone)]
"""IANA name of a time zone."""

_ZONE = Field(default=None, description="Time zone of times without one, or None for the recipe's.")


class SqlSource(Plain):
    """Rows of a query. Its placeholders `:window_from`, `:cut_from` and `:cut_to` are the night's times."""

    kind: Literal["sql"]
    connection: Name = Field(
        description="Name of the connection. Its URL is in the environment, in a file or in Airflow."
    )
    query: str = Field(description="A SELECT that filters by `:cut_to`, so that a repeated night reads the same rows.")
    timezone: TimeZone | None = _ZONE

    @field_validator("query")
    @classmethod
    def _reads_a_cut(cls, query: str) -> str:
        if not SQL_COMMENT.sub("", query).lstrip("( \t\r\n").lower().startswith(("select", "with")):
            msg = "the query must be a SELECT; write `SELECT …`"
            raise ValueError(msg)
        return query


class FilesSource(Plain):
    """Rows of files. `{data}` in the path is the folder of `make nightly DATA=` or NIGHTLOOM_DATA_DIR."""

    kind: Literal["files"]
    path: str = Field(
        description="A file, a folder, or a pattern such as `{data}/tickets/*.jsonl`, on disk or in `s3://bucket/…`."
    )
    timezone: TimeZone | None = _ZONE

    def resolved_path(self) -> str:
        """Return the path with `{data}` filled in.

        Raises:
            InputError: The path contains `{data}`, and no data folder is set.
        """
        return _fill_in_data(self.path)


class DeltaSource(Plain):
    """Rows of a Delta Lake table at its last version before the end of the night's cut."""

    kind: Literal["delta"]
    path: str = Field(description="Folder of the table, on disk or in `s3://bucket/folder`.")
    timezone: TimeZone | None = _ZONE

    def resolved_path(self) -> str:
        """Return the path with `{data}` filled in.

        Raises:
            InputError: The path contains `{data}`, and no data folder is set.
        """
        return _fill_in_data(self.path)


def lacks_data_folder(source: "Source") -> bool:
    """Whether a source's path contains `{data}`, and no data folder is set."""
    return isinstance(source, FilesSource | DeltaSource) and "{data}" in source.path and get_settings().data_dir is None


def _fill_in_data(path: str) -> str:
    data_dir = get_settings().data_dir
    if "{data}" in path and data_dir is None:
        msg = f"the path {path!r} needs a data folder; run make with DATA=folder, or set NIGHTLOOM_DATA_DIR"
        raise InputError(msg)
    return path.replace("{data}", str(data_dir))


class OtherSource(Plain):
    """Rows of a kind of source that another package adds."""

    kind: str = Field(description="Name of the package's entry point.")
    options: dict[str, Any] = Field(default_factory=dict, description="Options of the package's source.")
    timezone: TimeZone | None = _ZONE


def _tag_source(source: Any) -> Any:
    """Return the tag of a source's model: its kind, or `other` for a kind that a package adds."""
    kind = source.get("kind") if isinstance(source, dict) else getattr(source, "kind", None)
    known = kind in ("sql", "files", "delta") or not isinstance(kind, str)
    return kind if known or kind not in list_extensions(SOURCES) else "other"


Source = Annotated[
    Annotated[SqlSource, Tag("sql")]
    | Annotated[FilesSource, Tag("files")]
    | Annotated[DeltaSource, Tag("delta")]
    | Annotated[OtherSource, Tag("other")],
    Discriminator(_tag_source),
]


def zone_of(source: Source) -> ZoneInfo:
    """Return the time zone of a source's times without one. A recipe fills in its own where a source names none."""
    return ZoneInfo(source.timezone or "UTC")


def fill_in_zone(part: Any, timezone: str) -> Any:
    """Return a part of a recipe with this time zone in all of its sources that name none."""
    if isinstance(part, SqlSource | FilesSource | DeltaSource | OtherSource):
        return part.model_copy(update={"timezone": part.timezone or timezone})
    if isinstance(part, tuple):
        return tuple(fill_in_zone(each, timezone) for each in part)
    if isinstance(part, Plain):
        values = {name: getattr(part, name) for name in type(part).model_fields}
        filled = {name: fill_in_zone(value, timezone) for name, value in values.items()}
        return part.model_copy(update={name: one for name, one in filled.items() if one is not values[name]})
    return part
