"""Base models: from the name in a recipe to a frozen model in the store."""

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
    ModelFile,
    Origin,
    Rendering,
    Starter,
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
from nightloom.rendering.tokens import open_encoder

logger = logging.getLogger(__name__)

_CARD = "README.md"
_DUMMY = b"{}"


class Distant(Protocol):
    """A folder that is not on this machine, as it stands under a revision."""

    source: str
    revision: str

    def list_files(self) -> Mapping[str, str | None]:
        """Return the names of its files, each with the SHA-256 of its bytes where it is known beforehand."""
        ...

    def fetch(self, names: Collection[str], folder: Path) -> None:
        """Write files into a folder; those that are there already are kept."""
        ...


class FrozenBase(TypedDict):
    """A base model as a blueprint names it, with the digests of its tokenizer and chat template, where it has them."""

    base: BaseId
    tokenizer: str | None
    template: str | None


def freeze_in_child(store: ObjectStore, base: str) -> FrozenBase:
    """Freeze a base model in a child process, unless it was frozen as it is now.

    Raises:
        InputError: There is no such model, it is not plain data, or it cannot be trained or asked.
        FaultError: It cannot be fetched just now.
    """
    return find_frozen(store, base) or in_child(run_freeze)(base=base)


def find_frozen(store: ObjectStore, base: str) -> FrozenBase | None:
    """Return a base model as it is now, or None if it has to be made, fetched or read first. Nothing is written.

    Raises:
        InputError: There is no such model, or it is not plain data.
        FaultError: Where it lies does not answer just now.
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
    """Return a frozen base model as this interpreter reads it: for a child process."""
    return _describe(read_rendering(open_store(), base_id))


def read_rendering(store: ObjectStore, base_id: BaseId) -> Rendering:
    """Return how this interpreter reads a frozen base model's tokenizer and chat template."""
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
    """Return what determines how a base model's tokenizer and chat template are read."""
    return Rendering.Key(base=base_id, code=TOKENS.code(), packages=TOKENS.versions(packages))


def describe_base(store: ObjectStore, base: str, packages: Mapping[str, str]) -> BaseModelContent | None:
    """Return a base model as it is now, and write nothing; nothing: it has to be made or fetched first.

    Args:
        store: Where it is kept.
        base: As a recipe names it.
        packages: Versions of the interpreter that trains: the starter follows from them.

    Raises:
        InputError: There is no such model, or it is not plain data.
        FaultError: Where it lies does not answer just now.
    """
    if base == "dummy":
        return BaseModelContent(files=_dummy_files())
    memo: Starter | Origin | None
    if base == "starter":
        memo = store.find(Starter, identify_starter(StarterSettings(), packages))
    else:
        place = _find_place(store, base)
        if isinstance(place, Path):
            return BaseModelContent(files=digest_folder(place, _list_names(place)))
        memo = store.find(Origin, Origin.Key(source=place.source, revision=place.revision))
    return store.load(BaseModelManifest, memo.result.base).content if memo else None


def freeze_base(store: ObjectStore, base: str) -> BaseId:
    """Return the id of a base model.

    Args:
        store: Where it is kept.
        base: `starter`, `dummy`, a folder, `s3://bucket/prefix/`, or a model of the hub as `org/name@revision`.

    Raises:
        InputError: There is no such model, it is not plain data, or it cannot be trained or asked.
        FaultError: It cannot be fetched just now.
    """
    if base == "starter":
        return make_starter(store)
    if base == "dummy":
        return _freeze_dummy(store)
    place = _find_place(store, base)
    if not isinstance(place, Path):
        return _freeze_distant(store, base, place)
    check_kind(place)
    check_weights(place)
    return _freeze_folder(store, place.name, place)[0]


class S3Prefix:
    """What lies directly under a prefix of any bucket that the store's own account may read.

    Raises:
        InputError: There is nothing.
    """

    def __init__(self, store: ObjectStore, base: str) -> None:
        name, _, prefix = base.removeprefix("s3://").partition("/")
        self._bucket = store.bucket.other(name)
        self._prefix = f"{prefix.rstrip('/')}/" if prefix else ""
        self.source = f"s3://{name}/{self._prefix}"
        self.revision = self._digest()
        if not self._versions:
            msg = f"there is nothing under {self.source}; upload a model's folder there, or mend `train.base`"
            raise InputError(msg)

    def list_files(self) -> dict[str, str | None]:
        """Return the names of its objects."""
        return dict.fromkeys(self._versions)

    def fetch(self, names: Collection[str], folder: Path) -> None:
        """Write objects into a folder; those that are there already are kept."""
        for name in sorted(names):
            if not (folder / name).is_file():
                self._bucket.download(self._prefix + name, folder / name)
        if self._digest() != self.revision:
            for name in names:
                (folder / name).unlink(missing_ok=True)
            msg = f"{self.source} was changed while it was read; another try reads it anew"
            raise FaultError(msg)

    def _digest(self) -> str:
        found = self._bucket.list_versions(self._prefix) if self._bucket.name else {}
        self._versions = {key.removeprefix(self._prefix): version for key, version in found.items()}
        return digest_json(self._versions)


def _find_place(store: ObjectStore, base: str) -> Distant | Path:
    """Return where a base model lies that is neither `starter` nor `dummy`."""
    if base.startswith("s3://"):
        return S3Prefix(store, base)
    if not Path(base).exists() and (repo := read_name(base)):
        pinned = f"{repo.source}@{repo.revision}"
        if base != pinned:
            logger.info("%s is commit %s today; write %s to stay with it", base, repo.revision, pinned)
        return repo
    if not Path(base).is_dir():
        msg = (
            f"base model {base!r} is not there: write `starter`, a folder on this machine, s3://bucket/prefix/, or "
            f"org/name@revision"
        )
        raise InputError(msg)
    return Path(base)


def _freeze_distant(store: ObjectStore, base: str, distant: Distant) -> BaseId:
    """Fetch a distant folder and freeze it, unless this revision of it was before."""
    key = Origin.Key(source=distant.source, revision=distant.revision)
    with _lend_download(digest_json(key.model_dump())) as folder:
        if found := store.find(Origin, key):
            logger.info("base %s is %s, and stands already", short(found.result.base), base)
            return found.result.base
        digests = distant.list_files()
        kept = keep_model_files(digests, base)
        # What is small first: a model that cannot be used is not fetched to be refused.
        small = [name for name in kept if not name.endswith(WEIGHTS_SUFFIX)]
        distant.fetch([*small, _CARD] if _CARD in digests else small, folder)
        check_kind(folder)
        weights = [MODEL_WEIGHTS] if MODEL_WEIGHTS in digests else list_weights(folder)
        distant.fetch([name for name in weights if name in digests], folder)
        check_weights(folder)
        frozen, files = _freeze_folder(store, base, folder)
        for file in files:
            if digests[file.path] not in (None, file.sha256):
                (folder / file.path).unlink()
                msg = f"{file.path} of {base} came with other bytes than it should have; another try fetches it anew"
                raise FaultError(msg)
        store.publish(Origin(key=key, result=Origin.Result(base=frozen)))
        move_into_cache(folder, files, frozen)
    return frozen


@contextmanager
def _lend_download(name: str) -> Iterator[Path]:
    """Lend a folder to one process at a time; what a killed one has fetched is there for the next."""
    folder = get_settings().var_dir / "cache" / "downloads" / name
    folder.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder.mkdir(exist_ok=True)
        try:
            yield folder
        except InputError:
            shutil.rmtree(folder)  # the next try may find what was mended there
            raise
        finally:
            with suppress(OSError):
                folder.rmdir()  # where nothing had to be fetched


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
