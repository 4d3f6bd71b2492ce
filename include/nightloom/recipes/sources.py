"""Sources of a recipe: where rows are read from."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator

from nightloom.core.errors import InputError
from nightloom.core.extensions import SOURCES, list_extensions
from nightloom.core.manifests import Plain
from nightloom.core.settings import get_settings

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,39}$")]


class SqlSource(Plain):
    """Rows of a query. `:window_from`, `:cut_from` and `:cut_to` in it stand for the night's times in UTC."""

    kind: Literal["sql"]
    connection: Name = Field(description="Name of the connection; environment, file or Airflow knows its URL.")
    query: str = Field(description="A SELECT; it must filter by :cut_to, so that a night can be read again.")

    @field_validator("query")
    @classmethod
    def _reads_a_cut(cls, query: str) -> str:
        if not query.lstrip().lower().startswith(("select", "with")):
            msg = "the query must be a SELECT; write `SELECT …`"
            raise ValueError(msg)
        return query


class FilesSource(Plain):
    """Rows of files; `{data}` in the path stands for the folder that `DATA=` or NIGHTLOOM_DATA_DIR names."""

    kind: Literal["files"]
    path: str = Field(description="A file, a folder, or a pattern such as `tickets/*.jsonl`; `s3://bucket/…` too.")

    def resolved_path(self) -> str:
        """Return the path with `{data}` filled in.

        Raises:
            InputError: `{data}` stands in the path, and no folder is set.
        """
        return _fill_in_data(self.path)


class DeltaSource(Plain):
    """Rows of a Delta Lake table, as it stood at the night's cut."""

    kind: Literal["delta"]
    path: str = Field(description="The table's folder; `s3://bucket/folder` too.")

    def resolved_path(self) -> str:
        """Return the path with `{data}` filled in.

        Raises:
            InputError: `{data}` stands in the path, and no folder is set.
        """
        return _fill_in_data(self.path)


def _fill_in_data(path: str) -> str:
    data_dir = get_settings().data_dir
    if "{data}" in path and data_dir is None:
        msg = f"the path {path!r} needs a data folder; give DATA=folder to make, or set NIGHTLOOM_DATA_DIR"
        raise InputError(msg)
    return path.replace("{data}", str(data_dir))


class OtherSource(Plain):
    """Rows of a kind of source that another package adds, under the name of its entry point."""

    kind: str = Field(description="The name that the package registers.")
    options: dict[str, Any] = Field(default_factory=dict, description="What the package asks for.")


def _tag_source(source: Any) -> Any:
    """Describe which model a source is of: its kind, or `other` where a package registers that kind."""
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
