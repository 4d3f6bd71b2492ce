"""Digests: the one way in which a thing gets its name from its content."""

import hashlib
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

LISTED_BY = {"adapter": "model", "blueprint": "blueprint", "snapshot": "snapshot"}
"""What people look up by its digest, and the command whose `list` shows it."""

_PACKAGE = Path(__file__).parents[1]
_BLOCK_BYTES = 1 << 20
_LEAF_BYTES = 32
_NODE_BYTES = 1024 * _LEAF_BYTES


def canonical_json(value: Any) -> bytes:
    """Return the one UTF-8 spelling of a JSON value: keys sorted, no spaces, no NaN.

    Raises:
        ValueError: The value holds NaN, infinity or something JSON has no word for.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def parse_json(text: str | bytes) -> Any:
    """Read JSON from outside, strictly.

    Raises:
        ValueError: It is not JSON in UTF-8, a key stands twice in an object, or it holds NaN, infinity or a lone
            surrogate.
    """
    if isinstance(text, bytes):
        text = text.decode()  # json would also take UTF-16
    try:
        return _check_json(_STRICT.decode(text))
    except RecursionError as error:
        msg = "it is nested too deeply"
        raise ValueError(msg) from error


def parse_json_prefix(text: str) -> tuple[Any, int]:
    """Read the JSON value that a text begins with, as strictly, and give it with the place where it ends.

    Raises:
        JSONDecodeError: There is none, or it goes on after the text.
        ValueError: It is one that is refused.
    """
    try:
        value, end = _STRICT.raw_decode(text)
        return _check_json(value), end
    except RecursionError as error:
        msg = "it is nested too deeply"
        raise ValueError(msg) from error


def digest_bytes(data: bytes) -> str:
    """Return the SHA-256 of the data as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def digest_json(value: Any) -> str:
    """Return the digest of a JSON value, whatever the order of its keys."""
    return digest_bytes(canonical_json(value))


def digest_file(path: Path) -> str:
    """Return the digest of a file's bytes, read in blocks."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            sha.update(block)
    return sha.hexdigest()


def merkle_root(leaves: bytes | memoryview) -> str:
    """Return the root of a Merkle tree over leaf digests in the given order.

    A node is the SHA-256 of its level, as one byte counted from 1, and of up to 1,024 digests of the level below: so no
    two lists of leaves have the same root, as long as no leaf is itself the digest of such bytes. The root of none is
    the digest of nothing.

    Args:
        leaves: SHA-256 digests of 32 bytes each, one after the other.
    """
    level = 0
    nodes: bytes | memoryview = leaves
    while level == 0 or len(nodes) > _LEAF_BYTES:
        level += 1
        parts = (nodes[start : start + _NODE_BYTES] for start in range(0, len(nodes), _NODE_BYTES))
        nodes = b"".join(hashlib.sha256(bytes([level]) + bytes(part)).digest() for part in parts)
    return nodes.hex() or digest_bytes(b"")


@cache
def code_digest(*names: str) -> str:
    """Return the digest of the Python source of our packages and modules, by their names under nightloom.

    Raises:
        ValueError: There is no such package or module.
    """
    return digest_sources(_PACKAGE, names)


def digest_sources(package: Path, names: Iterable[str]) -> str:
    """Return the digest of the Python source of some packages and modules in the folder of a package.

    Raises:
        ValueError: There is no such package or module.
    """
    files: dict[str, str] = {}
    for name in sorted(names):
        path = package / name.replace(".", "/")
        sources = sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
        if not all(source.is_file() for source in sources) or not sources:
            msg = f"{name} is neither a package nor a module in {package}"
            raise ValueError(msg)
        files |= {source.relative_to(package).as_posix(): digest_file(source) for source in sources}
    return digest_json(files)


def short(digest: str) -> str:
    """Return the first twelve digits, for people."""
    return digest[:12]


def _check_json(value: Any) -> Any:
    # A lone surrogate or 1e999 would be read, and fail wherever it is written.
    canonical_json(value)
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        msg = "a key stands twice"
        raise ValueError(msg)
    return document


def _refuse_constant(name: str) -> None:
    msg = f"{name} is not JSON"
    raise ValueError(msg)


_STRICT = json.JSONDecoder(object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)
