"""Freezing: from a base model's name in a recipe to a frozen model in the store."""

import fcntl
import logging
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol, TypedDict

import yaml

from nightloom.artifacts.fingerprints import TOKENS
from nightloom.artifacts.folders import (
    digest_folder,
    fetch_model,
    list_model_files,
    move_into_cache,
    put_folder,
)
from nightloom.artifacts.ids import BaseId
from nightloom.artifacts.model_files import MODEL_WEIGHTS, WEIGHTS_SUFFIX, keep_model_files
from nightloom.artifacts.models import (
    BaseModelContent,
    BaseModelManifest,
    BaseModelProvenance,
    Download,
    ModelFile,
    Rendering,
    Starter,
    TaskRendering,
    TaskSpec,
)
from nightloom.base_models.check import check_kind, check_weights, list_weights
from nightloom.base_models.dummy import DUMMY_FILE, is_dummy
from nightloom.base_models.hub import read_name
from nightloom.base_models.starter import StarterSettings, identify_starter, make_starter
from nightloom.core.digests import digest_bytes, digest_json, short
from nightloom.core.errors import FaultError, InputError
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore
from nightloom.processes.packages import worker_packages
from nightloom.processes.parent import in_child
from nightloom.registry.store import open_store
from nightloom.rendering.encode import digest_tokenizer
from nightloom.rendering.task_check import identify_task_rendering, run_task_check
from nightloom.rendering.tokens import open_encoder

logger = logging.getLogger(__name__)

_CARD = "README.md"
_DUMMY = b"{}"


class RemoteModel(Protocol):
    """A model folder outside this machine, at one revision."""

    source: str
    revision: str

    def list_files(self) -> Mapping[str, str | None]:
        """Return the names of its files, each with the SHA-256 of its bytes, or None if that is unknown."""
        ...

    def fetch(self, names: Collection[str], folder: Path) -> None:
        """Write files into a folder, except those that exist there."""
        ...


class FrozenBase(TypedDict):
    """A base model's id, with the digests of its tokenizer and chat template, or None for the dummy."""

    base: BaseId
    tokenizer: str | None
    template: str | None


def freeze_in_child(store: ObjectStore, base: str) -> FrozenBase:
    """Return a frozen base model, and freeze it in a child process unless its current state is frozen already.

    Raises:
        InputError: There is no such model, it is not plain data, or it cannot be trained or asked.
        FaultError: The model cannot be fetched at the moment.
    """
    return find_frozen(store, base) or in_child(run_freeze)(base=base)


def freeze_for_task(store: ObjectStore, base: str, task: TaskSpec) -> FrozenBase:
    """Return a frozen base model whose chat template renders a task, checked once in a child process.

    Raises:
        InputError: As for `freeze_in_child`, or the model cannot be asked with this task.
        FaultError: The model cannot be fetched at the moment.
    """
    frozen = freeze_in_child(store, base)
    if frozen["template"] is not None and find_task_rendering(store, frozen["base"], task) is None:
        in_child(run_task_check)(base_id=frozen["base"], task=task.model_dump(mode="json"), base=base)
    return frozen


def find_task_rendering(store: ObjectStore, base_id: BaseId, task: TaskSpec) -> TaskRendering | None:
    """Return the passed check of a task on a base model, or None if it was not made yet."""
    return store.find(TaskRendering, identify_task_rendering(base_id, task, worker_packages()))


def find_frozen(store: ObjectStore, base: str) -> FrozenBase | None:
    """Return a base model's frozen current state, or None if it must be made, fetched or read first. Write nothing.

    Raises:
        InputError: There is no such model, or it is not plain data.
        FaultError: The model's location does not respond at the moment.
    """
    packages = worker_packages()
    described = describe_base(store, base, packages)
    if described is None or store.find(BaseModelManifest, described) is None:
        return None
    base_id = BaseModelManifest.id_of(described)
    if is_dummy(described.files):
        return FrozenBase(base=base_id, tokenizer=None, template=None)
    rendering = store.find(Rendering, identify_rendering(base_id, packages))
    return _describe(rendering) if rendering else None


def run_freeze(base: str) -> FrozenBase:
    """Freeze a base model in this process: for a child process."""
    store = open_store()
    return _describe(read_rendering(store, freeze_base(store, base)))


def run_describe(base_id: BaseId) -> FrozenBase:
    """Return a frozen base model with the digests of this interpreter: for a child process."""
    return _describe(read_rendering(open_store(), base_id))


def read_rendering(store: ObjectStore, base_id: BaseId) -> Rendering:
    """Return the digests of a frozen base model's tokenizer and chat template, as this interpreter reads them."""
    key = identify_rendering(base_id, TOKENS.versions())

    def read() -> Rendering:
        if is_dummy(store.load(BaseModelManifest, base_id).content.files):
            return Rendering(key=key, result=Rendering.Result(tokenizer=None, template=None))
        manifest, folder = fetch_model(store, BaseModelManifest, base_id)
        encoder = open_encoder(folder)
        tokenizer = digest_tokenizer(manifest.content.files, encoder)
        return Rendering(key=key, result=Rendering.Result(tokenizer=tokenizer, template=encoder.template))

    return store.find_or_make(Rendering, key, read)


def _describe(rendering: Rendering) -> FrozenBase:
    read = rendering.result
    return FrozenBase(base=rendering.key.base, tokenizer=read.tokenizer, template=read.template)


def identify_rendering(base_id: BaseId, packages: Mapping[str, str]) -> Rendering.Key:
    """Return the cache key for reading a base model's tokenizer and chat template."""
    return Rendering.Key(base=base_id, code=TOKENS.code(), packages=TOKENS.versions(packages))


def describe_base(store: ObjectStore, base: str, packages: Mapping[str, str]) -> BaseModelContent | None:
    """Return a base model's current content, or None if it must be made or fetched first. Write nothing.

    Args:
        store: Where base models are stored.
        base: The name in a recipe.
        packages: Package versions of the training interpreter, which determine the starter.

    Raises:
        InputError: There is no such model, or it is not plain data.
        FaultError: The model's location does not respond at the moment.
    """
    if base == "dummy":
        return BaseModelContent(files=_dummy_files())
    cached: Starter | Download | None
    if base == "starter":
        cached = store.find(Starter, identify_starter(StarterSettings(), packages))
    else:
        location = _locate(store, base)
        if isinstance(location, Path):
            return BaseModelContent(files=digest_folder(location, _list_names(location)))
        cached = store.find(Download, Download.Key(source=location.source, revision=location.revision))
    return store.load(BaseModelManifest, cached.result.base).content if cached else None


def freeze_base(store: ObjectStore, base: str) -> BaseId:
    """Freeze a base model, and return its id.

    Args:
        store: Where base models are stored.
        base: `starter`, `dummy`, a folder, `s3://bucket/prefix/`, or a Hub model as `org/name@revision`.

    Raises:
        InputError: There is no such model, it is not plain data, or it cannot be trained or asked.
        FaultError: The model cannot be fetched at the moment.
    """
    if base == "starter":
        return make_starter(store)
    if base == "dummy":
        return _freeze_dummy(store)
    location = _locate(store, base)
    if not isinstance(location, Path):
        return _freeze_remote(store, base, location)
    check_kind(location)
    check_weights(location)
    return _freeze_folder(store, location.name, location)[0]


class S3Prefix:
    """The objects directly under a prefix of any bucket that the store's account may read.

    Raises:
        InputError: There are no objects.
    """

    def __init__(self, store: ObjectStore, base: str) -> None:
        name, _, prefix = base.removeprefix("s3://").partition("/")
        self._bucket = store.bucket.other(name)
        self._prefix = f"{prefix.rstrip('/')}/" if prefix else ""
        self.source = f"s3://{name}/{self._prefix}"
        self.revision = self._digest()
        if not self._versions:
            msg = f"there is nothing under {self.source}; upload a model's folder there, or fix `train.base`"
            raise InputError(msg)

    def list_files(self) -> dict[str, str | None]:
        """Return the names of its objects."""
        return dict.fromkeys(self._versions)

    def fetch(self, names: Collection[str], folder: Path) -> None:
        """Write objects into a folder, except those that exist there."""
        for name in sorted(names):
            if not (folder / name).is_file():
                self._bucket.download(self._prefix + name, folder / name)
        if self._digest() != self.revision:
            for name in names:
                (folder / name).unlink(missing_ok=True)
            msg = f"{self.source} was changed while it was read; try again to read it from the beginning"
            raise FaultError(msg)

    def _digest(self) -> str:
        found = self._bucket.list_versions(self._prefix) if self._bucket.name else {}
        self._versions = {key.removeprefix(self._prefix): version for key, version in found.items()}
        return digest_json(self._versions)


def _locate(store: ObjectStore, base: str) -> RemoteModel | Path:
    """Return the location of a base model other than `starter` and `dummy`."""
    if base.startswith("s3://"):
        return S3Prefix(store, base)
    if not Path(base).exists() and (repo := read_name(base)):
        pinned = f"{repo.source}@{repo.revision}"
        if base != pinned:
            logger.info("base %s is commit %s today; write %s to pin it", base, repo.revision, pinned)
        return repo
    if not Path(base).is_dir():
        msg = (
            f"base model {base!r} does not exist: write `starter`, a folder on this machine, s3://bucket/prefix/, or "
            f"org/name@revision"
        )
        raise InputError(msg)
    return Path(base)


def _freeze_remote(store: ObjectStore, base: str, remote: RemoteModel) -> BaseId:
    """Fetch a remote model and freeze it, unless this revision is frozen already."""
    key = Download.Key(source=remote.source, revision=remote.revision)
    with _lock_download(digest_json(key.model_dump())) as folder:
        if found := store.find(Download, key):
            logger.info("base %s: reusing the frozen copy of %s", short(found.result.base), base)
            return found.result.base
        digests = remote.list_files()
        kept = keep_model_files(digests, base)
        # Small files first, so that an unusable model is refused before its weights are fetched.
        small = [name for name in kept if not name.endswith(WEIGHTS_SUFFIX)]
        remote.fetch([*small, _CARD] if _CARD in digests else small, folder)
        check_kind(folder)
        weights = [MODEL_WEIGHTS] if MODEL_WEIGHTS in digests else list_weights(folder)
        remote.fetch([name for name in weights if name in digests], folder)
        check_weights(folder)
        frozen, files = _freeze_folder(store, base, folder)
        for file in files:
            if digests[file.path] not in (None, file.sha256):
                (folder / file.path).unlink()
                msg = (
                    f"{file.path} of {base} has another SHA-256 than its source states; try again to fetch it once more"
                )
                raise FaultError(msg)
        store.publish(Download(key=key, result=Download.Result(base=frozen)))
        move_into_cache(folder, files, frozen)
    return frozen


@contextmanager
def _lock_download(name: str) -> Iterator[Path]:
    """Lock a download folder for one process at a time; the next process finds what a killed one has fetched."""
    folder = get_settings().var_dir / "cache" / "downloads" / name
    folder.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder.mkdir(exist_ok=True)
        try:
            yield folder
        except InputError:
            shutil.rmtree(folder)  # The model may be fixed before the next try.
            raise
        finally:
            with suppress(OSError):
                folder.rmdir()  # Succeeds if nothing was fetched.


def _freeze_folder(store: ObjectStore, source: str, folder: Path) -> tuple[BaseId, tuple[ModelFile, ...]]:
    files = put_folder(store, folder, _list_names(folder))
    provenance = BaseModelProvenance(source=source, license=_read_license(folder / _CARD))
    return store.publish(BaseModelManifest(content=BaseModelContent(files=files), provenance=provenance)).id, files


def _list_names(folder: Path) -> list[str]:
    weights = list_weights(folder)
    return [name for name in list_model_files(folder) if not name.endswith(WEIGHTS_SUFFIX) or name in weights]


def _read_license(card: Path) -> str | None:
    """Return the licence that a model card's front matter names."""
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    _, begin, rest = text.partition("---\n")
    front, end, _ = rest.partition("\n---")
    if not begin or not end or text.index(begin):
        return None
    try:
        document = yaml.safe_load(front)
    except yaml.YAMLError:
        return None
    named = document.get("license") if isinstance(document, dict) else None
    if named == "other":
        named = document.get("license_name", named)
    return str(named) if named else None


def _freeze_dummy(store: ObjectStore) -> BaseId:
    store.put_blob(_DUMMY)
    content = BaseModelContent(files=_dummy_files())
    return store.publish(BaseModelManifest(content=content, provenance=BaseModelProvenance(source="dummy"))).id


def _dummy_files() -> tuple[ModelFile, ...]:
    return (ModelFile(path=DUMMY_FILE, sha256=digest_bytes(_DUMMY), size_bytes=len(_DUMMY)),)
