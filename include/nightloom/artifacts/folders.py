"""Folders: a model's files as blobs. Data alone: no pickle and nothing that asks for code ever passes."""

import json
import os
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TypeVar

from nightloom.artifacts.models import Adapter, BaseModelManifest, ModelFile
from nightloom.core.errors import InputError, ManifestError
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore

KINDS_KEPT = (".safetensors", ".json", ".txt", ".jinja", ".model")
"""What a model is made of: weights, configuration, vocabulary, chat template."""

_KINDS_PASSED_OVER = (".md", ".gitattributes", ".gitignore")

M = TypeVar("M", BaseModelManifest, Adapter)


def put_folder(store: ObjectStore, folder: Path) -> tuple[ModelFile, ...]:
    """Keep every file of a model folder and give their names and digests, sorted by path.

    Raises:
        InputError: It is no folder, holds no model, or holds something that is not plain data.
    """
    paths = _list_files(folder)
    return tuple(
        ModelFile(path=path.relative_to(folder).as_posix(), sha256=store.put_file(path), size_bytes=path.stat().st_size)
        for path in paths
    )


def fetch_folder(store: ObjectStore, files: Sequence[ModelFile], folder: Path) -> Path:
    """Write the files into a folder; each appears whole or not at all, and a sound one that is there is kept."""
    for file in files:
        path = PurePosixPath(file.path)
        if path.is_absolute() or ".." in path.parts or path.suffix not in KINDS_KEPT:
            msg = f"model file {file.path!r} is not a plain name of a data file; the manifest was not written by us"
            raise ManifestError(msg)
        store.fetch_file(file.sha256, folder / path)
    return folder


def fetch_model(store: ObjectStore, kind: type[M], model_id: str) -> tuple[M, Path]:
    """Give a base model's or adapter's manifest, and its folder in this machine's cache."""
    manifest = store.load(kind, model_id)
    return manifest, fetch_folder(
        store, manifest.identity.files, get_settings().var_dir / "cache" / "models" / model_id
    )


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Lend an empty folder under the var folder, gone afterwards; what killed processes left there goes too."""
    parent = get_settings().var_dir / "scratch"
    parent.mkdir(parents=True, exist_ok=True)
    # The folder may be shared by machines, each of which knows its own processes alone.
    host = socket.gethostname().replace("_", "-")
    for folder in parent.glob(f"{host}_*_*"):
        process = folder.name.split("_")[1]
        if process.isdigit() and not _is_alive(int(process)):
            shutil.rmtree(folder, ignore_errors=True)
    with TemporaryDirectory(dir=parent, prefix=f"{host}_{os.getpid()}_") as lent:
        yield Path(lent)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's
    return True


def _list_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        msg = f"{folder} is not a folder; name one that holds a model"
        raise InputError(msg)
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.endswith(_KINDS_PASSED_OVER))
    for path in paths:
        if path.suffix not in KINDS_KEPT:
            msg = (
                f"{path.name} in {folder} cannot be part of a model: only {', '.join(KINDS_KEPT)} files are read, "
                f"never pickles or code; convert the weights to safetensors and remove it"
            )
            raise InputError(msg)
        if path.suffix == ".json":
            _refuse_code(path)
    if not paths:
        msg = f"{folder} holds no model; it needs safetensors weights, config.json and a tokenizer"
        raise InputError(msg)
    return paths


def _refuse_code(path: Path) -> None:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        msg = f"{path} is not JSON ({error}); take a sound copy of the model"
        raise InputError(msg) from error
    if isinstance(document, dict) and "auto_map" in document:
        msg = f"{path} asks for the model's own code (auto_map), which is never run; use a model that needs none"
        raise InputError(msg)
