"""Folders: a model's files as blobs and back; `model_files` decides which are allowed."""

import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from nightloom.artifacts.ids import AdapterId, BaseId
from nightloom.artifacts.model_files import is_below_folder, keep_model_files, refuse_code
from nightloom.artifacts.models import Adapter, BaseModelManifest, ModelFile
from nightloom.core.digests import digest_file
from nightloom.core.errors import InputError, ManifestError
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore

M = TypeVar("M", BaseModelManifest, Adapter)


def put_folder(store: ObjectStore, folder: Path, names: Iterable[str] | None = None) -> tuple[ModelFile, ...]:
    """Store the files of a model folder and return their names and digests, sorted by path.

    Args:
        store: Where to put them.
        folder: The folder; its other files are left out.
        names: Files to store, or None for all files of a model.

    Raises:
        InputError: There is no folder, no model in it, only pickled weights, or the model asks for code.
    """
    return _name_files(folder, names, store.put_file)


def digest_folder(folder: Path, names: Iterable[str] | None = None) -> tuple[ModelFile, ...]:
    """Return what `put_folder` returns, without storing anything.

    Raises:
        InputError: See `put_folder`.
    """
    return _name_files(folder, names, digest_file)


def list_model_files(folder: Path) -> list[str]:
    """Return the names of a folder's model files.

    Raises:
        InputError: There is no folder, no model in it, only pickled weights, or the model asks for code.
    """
    if not folder.is_dir():
        msg = f"{folder} is not a folder; name a folder that contains a model"
        raise InputError(msg)
    names = keep_model_files((path.name for path in folder.iterdir() if path.is_file()), str(folder))
    for name in names:
        if name.endswith(".json"):
            _check_json(folder / name)
    return names


def fetch_folder(store: ObjectStore, files: Sequence[ModelFile], folder: Path) -> Path:
    """Write the files into a folder. Each appears whole or not at all; a valid file that exists is kept."""
    for file in files:
        if not is_below_folder(file.path):
            msg = f"model file {file.path!r} is not a plain data file name, so Nightloom did not write this manifest"
            raise ManifestError(msg)
        store.fetch_file(file.sha256, folder / file.path)
    return folder


def fetch_model(store: ObjectStore, kind: type[M], model_id: BaseId | AdapterId) -> tuple[M, Path]:
    """Return a base model's or adapter's manifest, and its folder in this machine's cache."""
    manifest = store.load(kind, model_id)
    return manifest, fetch_folder(store, manifest.content.files, _cache_folder(model_id))


def move_into_cache(folder: Path, files: Sequence[ModelFile], model_id: BaseId | AdapterId) -> None:
    """Turn the source folder of a model into its cache folder on this machine; other files are deleted."""
    cached = _cache_folder(model_id)
    if cached.exists():
        shutil.rmtree(folder)
        return
    names = {file.path for file in files}
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in names:
            path.unlink()
    cached.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(cached)


def _cache_folder(model_id: BaseId | AdapterId) -> Path:
    return get_settings().var_dir / "cache" / "models" / model_id


def _name_files(folder: Path, names: Iterable[str] | None, keep: Callable[[Path], str]) -> tuple[ModelFile, ...]:
    paths = [folder / name for name in sorted(names or list_model_files(folder))]
    return tuple(ModelFile(path=path.name, sha256=keep(path), size_bytes=path.stat().st_size) for path in paths)


def _check_json(path: Path) -> None:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        msg = f"{path} is not valid JSON ({error}); get an undamaged copy of the model"
        raise InputError(msg) from error
    if isinstance(document, dict):
        refuse_code(document, path)
