"""Digests: content addressing, from bytes, JSON, files, code and Merkle trees."""

import hashlib
import json
import math
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

LISTED_BY = {"adapter": "model", "blueprint": "blueprint", "snapshot": "snapshot"}
"""Kinds that people look up by digest, and the command whose `list` shows them."""

_PACKAGE = Path(__file__).parents[1]
_BLOCK_BYTES = 1 << 20
_LEAF_BYTES = 32
_NODE_BYTES = 1024 * _LEAF_BYTES
_SHALLOW = 200  # so many brackets nest no deeper than json can write
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def canonical_json(value: Any) -> bytes:
    """Return the canonical UTF-8 encoding of a JSON value: sorted keys, no spaces, no NaN.

    Raises:
        ValueError: The value has NaN, infinity or something that JSON cannot represent.
    """
    return _CANONICAL.encode(value).encode()


def parse_json(text: str | bytes) -> Any:
    """Read JSON from outside, strictly.

    Raises:
        ValueError: The text is not JSON in UTF-8, repeats a key in an object, or has NaN, infinity or a lone
            surrogate.
    """
    if isinstance(text, bytes):
        text = text.decode()  # json would also take UTF-16
    try:
        return _check_json(_STRICT.decode(text), text)
    except RecursionError as error:
        msg = "nested too deeply"
        raise ValueError(msg) from error


def parse_json_prefix(text: str, start: int = 0) -> tuple[Any, int]:
    """Read the JSON value at some place of a text, as strictly, and return it with the index of its end.

    Raises:
        JSONDecodeError: There is none, or it is incomplete.
        ValueError: The value is refused.
    """
    try:
        value, end = _STRICT.raw_decode(text, start)
        return _check_json(value, text[start:end]), end
    except RecursionError as error:
        msg = "nested too deeply"
        raise ValueError(msg) from error


def digest_bytes(data: bytes) -> str:
    """Return the SHA-256 of the data as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def digest_json(value: Any) -> str:
    """Return the digest of a JSON value, independent of the order of keys."""
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

    A node is the SHA-256 of its level, as one byte counted from 1, and of up to 1,024 digests of the level below. So no
    two lists of leaves have the same root, unless a leaf is itself the digest of such bytes. The root of no leaves is
    the digest of no bytes.

    Args:
        leaves: Concatenated SHA-256 digests of 32 bytes each.
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
    """Return the digest of the Python source of our packages and modules, by name under nightloom.

    Raises:
        ValueError: A package or module does not exist.
    """
    return digest_sources(_PACKAGE, names)


def digest_sources(package: Path, names: Iterable[str]) -> str:
    """Return the digest of the Python source of packages and modules in a package's folder.

    Raises:
        ValueError: A package or module does not exist.
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
    """Return the first twelve digits of a digest, for people."""
    return digest[:12]


def _check_json(value: Any, text: str) -> Any:
    """Refuse what json reads, but could not write again: a lone surrogate, or a deep nesting."""
    text.encode()
    # To write takes longer than to read, so only what may fail is written.
    if _ESCAPED_SURROGATE.search(text) or text.count("[") + text.count("{") > _SHALLOW:
        canonical_json(value)
    return value


def _read_float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        msg = "a number is too large"
        raise ValueError(msg)
    return number


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        msg = "a key is repeated"
        raise ValueError(msg)
    return document


def _refuse_constant(name: str) -> None:
    msg = f"{name} is not JSON"
    raise ValueError(msg)


_STRICT = json.JSONDecoder(object_pairs_hook=_unique_keys, parse_float=_read_float, parse_constant=_refuse_constant)
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
