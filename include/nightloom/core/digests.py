"""Digests: the one way in which a thing gets its name from its content."""

import hashlib
import importlib.util
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

_BLOCK_BYTES = 1 << 20


def canonical_json(value: Any) -> bytes:
    """Give the one UTF-8 spelling of a JSON value: keys sorted, no spaces, no NaN.

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
        value = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)
        # A lone surrogate or 1e999 would be read here, and fail wherever it is written.
        canonical_json(value)
    except RecursionError as error:
        msg = "it is nested too deeply"
        raise ValueError(msg) from error
    return value


def digest_bytes(data: bytes) -> str:
    """Give the SHA-256 of the data as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def digest_json(value: Any) -> str:
    """Give the digest of a JSON value, whatever the order of its keys."""
    return digest_bytes(canonical_json(value))


def digest_file(path: Path) -> str:
    """Give the digest of a file's bytes, read in blocks."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            sha.update(block)
    return sha.hexdigest()


def merkle_root(leaves: Iterable[str]) -> str:
    """Give the root of a Merkle tree over leaf digests in the given order.

    A leaf and an inner node are hashed with different first bytes, as in RFC 6962, so that no list of
    leaves has the root of another. The root of no leaves is the digest of nothing.
    """
    level = [hashlib.sha256(b"\x00" + bytes.fromhex(leaf)).digest() for leaf in leaves]
    if not level:
        return digest_bytes(b"")
    while len(level) > 1:
        paired = [hashlib.sha256(b"\x01" + level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)]
        level = paired + level[len(paired) * 2 :]
    return level[0].hex()


@cache
def code_digest(*packages: str) -> str:
    """Give the digest of the Python source of our packages or modules, by name.

    A result that is kept under its inputs counts the code that made it among them.
    """
    files: dict[str, str] = {}
    for package in packages:
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            msg = f"{package} is not an importable package with source"
            raise ValueError(msg)
        origin = Path(spec.origin)
        sources = sorted(origin.parent.rglob("*.py")) if spec.submodule_search_locations else [origin]
        for source in sources:
            files[f"{package}:{source.relative_to(origin.parent).as_posix()}"] = digest_file(source)
    return digest_json(files)


def short(digest: str) -> str:
    """Give the first twelve digits, for people."""
    return digest[:12]


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        msg = "a key stands twice"
        raise ValueError(msg)
    return document


def _refuse_constant(name: str) -> None:
    msg = f"{name} is not JSON"
    raise ValueError(msg)
