"""Connections: SQLAlchemy URLs by name. A recipe names a connection; Airflow, the environment or a file has its URL.

The URL is in `NIGHTLOOM_CONN_<NAME>`, of the environment or of `nightloom.env`, or in a line `NAME: URL` of
`connections.yaml` under the var folder. Within Airflow, `orchestration` looks up Airflow's connections first, through
`resolving_with`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

import yaml

from nightloom.core.env_file import PREFIX, read_variable
from nightloom.core.errors import InputError
from nightloom.core.settings import get_settings

if TYPE_CHECKING:
    from sqlalchemy import URL

Resolver = Callable[[str], str | None]

_resolver: ContextVar[Resolver | None] = ContextVar("connection_resolver", default=None)


def resolve_connection(name: str) -> str:
    """Return the SQLAlchemy URL of a named connection.

    Raises:
        InputError: The name is unknown.
    """
    resolver = _resolver.get()
    variable = f"{PREFIX}CONN_{name.upper()}"
    url = (resolver(name) if resolver else None) or read_variable(variable) or _from_file(name)
    if url is None:
        path = get_settings().var_dir / "connections.yaml"
        msg = (
            f"connection {name!r} is not known; set {variable}, add a line `{name}: URL` to {path}, "
            f"or create an Airflow connection with that id"
        )
        raise InputError(msg)
    return url


def show_address(url: "URL") -> str:
    """Return a SQLAlchemy URL for people: without its password, and without its query, which may have a token."""
    return url.set(query={}).render_as_string(hide_password=True)


@contextmanager
def resolving_with(resolver: Resolver) -> Iterator[None]:
    """Use this resolver before environment and file, within the block."""
    token = _resolver.set(resolver)
    try:
        yield
    finally:
        _resolver.reset(token)


def _from_file(name: str) -> str | None:
    path = get_settings().var_dir / "connections.yaml"
    if not path.exists():
        return None
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        msg = f"{path} is not YAML in UTF-8{where}; write one `name: URL` per line, the URL in quotes"
        # Its text is left out: it may quote a password.
        raise InputError(msg) from None
    if not isinstance(document, dict) or not isinstance(document.get(name, ""), str | None):
        msg = f"{path} is not a mapping of names to URLs; write one `name: URL` per line"
        raise InputError(msg)
    url: str | None = document.get(name)
    return url
