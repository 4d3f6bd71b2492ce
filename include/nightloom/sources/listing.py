"""Listing: which files of a path hold rows, on disk and in S3."""

import logging
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import IO

from nightloom.core.digests import parse_json
from nightloom.core.errors import InputError
from nightloom.recipes.sources import FilesSource
from nightloom.registry.store import open_store
from nightloom.sources.file_errors import explain_errors

logger = logging.getLogger(__name__)

OpenFile = Callable[[], AbstractContextManager[IO[bytes]]]
Files = list[tuple[str, OpenFile]]
"""Name of each file, and the function that opens it."""

BINARY = (".parquet", ".arrow")
_FORMATS = (".csv", ".jsonl", ".ndjson", ".json", *BINARY)
_PACKED = (".gz", ".zst")
_DESCRIPTIONS = ("dataset_dict.json", "dataset_info.json", "dataset_infos.json", "state.json")
_MOST_NAMED = 3


def list_files(source: FilesSource) -> Files:
    """Return the files that hold rows, without those that other tools leave next to them.

    Raises:
        InputError: No file holds rows.
    """
    path = source.resolved_path()
    if path.startswith("s3://"):
        found, folders = _list_in_s3(path)
    else:
        found, folders = _list_on_disk(Path(path))
    rows = [(name, open_file) for name, open_file in found if not _is_no_data(path, name)]
    known = [(name, open_file) for name, open_file in rows if _is_known(*split_suffixes(name))]
    if not known:
        raise InputError(_explain_no_file(path, [name for name, _ in rows or found], folders))
    left_out = sorted({Path(name).name for name, _ in found} - {Path(name).name for name, _ in known})
    if left_out or folders:
        logger.info("source %s: not read: %s", path, ", ".join([*left_out, *folders][:_MOST_NAMED]))
    return known


def _is_no_data(path: str, name: str) -> bool:
    """Whether a file lies next to the data of other tools, and is not named by the path itself.

    Names that begin with a dot or an underscore are those of macOS, Spark and others, also of whole folders.
    """
    fixed = re.split(r"[*?\[]", path, maxsplit=1)[0]
    parts = Path(name.removeprefix(fixed).lstrip("/")).parts
    begins = Path(path).name[:1]
    hidden = [part for part in parts if part[0] in "._" and part[0] != begins]
    return bool(parts) and (bool(hidden) or parts[-1] in _DESCRIPTIONS)


def _explain_no_file(path: str, others: Sequence[str], folders: Sequence[str]) -> str:
    if others:
        named, endings = ", ".join(Path(name).name for name in others[:_MOST_NAMED]), ", ".join(_FORMATS)
        packed = " or ".join(_PACKED)
        return f"{named} at {path!r} should end in one of {endings}; text may have {packed} after it"
    if folders:
        pattern = f"{path.rstrip('/*')}/*/*"
        return (
            f"there are only folders at {path!r}, such as {folders[0]}; name the files in them by a pattern, such as "
            f"{pattern!r} (the name of a folder is not read as a column)"
        )
    return f"there is no file at {path!r}; check the path"


def _list_on_disk(path: Path) -> tuple[Files, list[str]]:
    """Return the files of a path, and the names of the folders there, which are not read."""
    if (path / "dataset_dict.json").is_file():
        msg = (
            f"{str(path)!r} holds several splits of a dataset; name the folder of one, such as {str(path / 'train')!r}"
        )
        raise InputError(msg)
    if (path / "state.json").is_file() and (path / "dataset_info.json").is_file():
        paths = _list_dataset(path)
    elif path.is_dir():
        paths = sorted(path.iterdir())
    elif any(sign in str(path) for sign in "*?["):
        root = Path(path.anchor)
        paths = sorted(root.glob(str(path.relative_to(root))))
    else:
        paths = [path] if path.exists() else []
    files: Files = [(str(one), partial(_open, one)) for one in paths if one.is_file()]
    return files, [one.name for one in paths if one.is_dir() and one.name[0] not in "._"]


def _open(path: Path) -> IO[bytes]:
    return path.open("rb")


def _list_dataset(folder: Path) -> list[Path]:
    """Return the files of a folder written by `save_to_disk` of Hugging Face's `datasets`, in order."""
    state = folder / "state.json"
    with explain_errors(f"the file {str(state)!r}"):
        names = [entry["filename"] for entry in parse_json(state.read_bytes())["_data_files"]]
        wrong = [name for name in names if Path(name).name != name or not (folder / name).is_file()]
        if wrong:
            msg = f"it names {wrong[0]!r}, which is not a file in its folder"
            raise ValueError(msg)
    return [folder / name for name in names]


def _list_in_s3(pattern: str) -> tuple[Files, list[str]]:
    name, _, keys = pattern.removeprefix("s3://").partition("/")
    bucket = open_store().bucket.other(name)
    files: Files = [(f"s3://{name}/{key}", partial(bucket.open, key)) for key in bucket.list_versions(keys)]
    return files, []


def split_suffixes(name: str) -> tuple[str, str]:
    """Return a name's ending, and its ending for compression."""
    path = Path(name.lower())
    return (Path(path.stem).suffix, path.suffix) if path.suffix in _PACKED else (path.suffix, "")


def _is_known(kind: str, packed: str) -> bool:
    return kind in _FORMATS and not (packed and kind in BINARY)
