"""Inventory: every manifest of the store with what it names, so that one can tell what is needed, and by whom."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from nightloom.artifacts import training
from nightloom.artifacts.kinds import KINDS
from nightloom.core.errors import InputError
from nightloom.core.manifests import CachedResult, Manifest, manifest_key
from nightloom.core.names import BLOB, Named, list_names
from nightloom.core.replacements import Replacement
from nightloom.core.store import TRASH, ObjectStore, blob_key
from nightloom.core.trash import StoredObject, list_objects

_MANIFEST = re.compile(r"manifests/([a-z_]+)/([0-9a-f]{64})\.json")
_BLOB = re.compile(r"objects/sha256/([0-9a-f]{2})/([0-9a-f]{62})")
_DIGEST = re.compile(rb"\b[0-9a-f]{64}\b")
_THREADS = 8


@dataclass(frozen=True, slots=True)
class Inventory:
    """What lies in the store, by kind and digest; blobs are of kind `blob`."""

    objects: Mapping[Named, StoredObject]
    trash: Mapping[Named, StoredObject]
    manifests: Mapping[Named, Manifest]
    names: Mapping[Named, Collection[Named]] = field(repr=False)

    def reach(self, roots: Mapping[Named, str]) -> dict[Named, str]:
        """Give all that can be reached from these, each with the reason of a root; memos of what is reached too."""
        reached: dict[Named, str] = {}
        waiting = dict(roots) or self._find_memos({})
        while waiting:
            reached |= waiting
            found = {name: reason for one, reason in waiting.items() for name in self.names.get(one, ())}
            waiting = {name: reason for name, reason in found.items() if name not in reached}
            waiting = waiting or self._find_memos(reached)
        return reached

    def identify(self, digests: Mapping[str, str]) -> dict[Named, str]:
        """Give the manifests of these ids, whatever kind they are of."""
        return {one: digests[one.digest] for one in self.manifests if one.digest in digests}

    def _find_memos(self, reached: Mapping[Named, str]) -> dict[Named, str]:
        return {
            one: "result of what is kept"
            for one, manifest in self.manifests.items()
            if isinstance(manifest, CachedResult)
            and manifest.is_kept_with_its_inputs
            and one not in reached
            and all(plain(name) in reached for name in inputs_of(manifest))
        }


def take_inventory(store: ObjectStore) -> Inventory:
    """List the store and read all of its manifests.

    Raises:
        InputError: One is of a kind that this version does not know.
        ManifestError: One is damaged.
    """
    objects = {name: one for one in _list_ours(store, "") if (name := _name(one.key))}
    trash = {name: one for one in _list_ours(store, TRASH) if (name := _name(one.key.removeprefix(TRASH)))}
    with ThreadPoolExecutor(_THREADS) as pool:
        known = [one for one in {**trash, **objects} if one.kind != BLOB]
        manifests = dict(zip(known, pool.map(lambda one: _load(store, one), known), strict=True))
        names = dict(zip(known, pool.map(lambda one: _list_named(store, manifests[one]), known), strict=True))
    replaced = {Named(BLOB, one.key.blob): name for name, one in manifests.items() if isinstance(one, Replacement)}
    return Inventory(objects, trash, manifests, {**names, **{blob: [name] for blob, name in replaced.items()}})


def list_tokens(store: ObjectStore, snapshot: str) -> list[training.Tokens]:
    """Give all token ids of a snapshot's examples: one for each tokenizer, chat template and prompt."""
    names = (_name(one.key) for one in list_objects(store, f"manifests/{training.Tokens.kind}/"))
    found = (store.load(training.Tokens, name.digest) for name in names if name)
    return [tokens for tokens in found if tokens.key.snapshot == snapshot]


def key_of(name: Named) -> str:
    """Give the key under which something lies."""
    return blob_key(name.digest) if name.kind == BLOB else manifest_key(name.kind, name.digest)


def plain(name: Named) -> Named:
    """Give a name without what is known of its content, as the inventory lists it."""
    return Named(name.kind, name.digest)


def inputs_of(manifest: Manifest) -> list[Named]:
    """Give what determines a manifest."""
    return list_names(getattr(manifest, manifest.named_by))


def _list_ours(store: ObjectStore, where: str) -> Iterator[StoredObject]:
    for folder in ("manifests/", "objects/"):
        yield from list_objects(store, where + folder)


def _name(key: str) -> Named | None:
    if found := _BLOB.fullmatch(key):
        return Named(BLOB, found[1] + found[2])
    found = _MANIFEST.fullmatch(key)
    return Named(found[1], found[2]) if found else None


def _load(store: ObjectStore, name: Named) -> Manifest:
    kind = KINDS.get(name.kind)
    if kind is None:
        msg = f"the store has manifests of kind {name.kind!r}, which this Nightloom does not know; use the one it is of"
        raise InputError(msg)
    return store.load(kind, name.digest)


def _list_named(store: ObjectStore, manifest: Manifest) -> list[Named]:
    names = list_names(manifest)
    told = (digest for name in names if name.content == "facts" for digest in _find_digests(store, name.digest))
    return [*map(plain, names), *told]


def _find_digests(store: ObjectStore, blob: str) -> Iterable[Named]:
    """Give what the facts of a report name: by its look alone, since facts are for people."""
    digests = {digest.decode() for digest in _DIGEST.findall(store.get_blob(blob))}
    return [Named(kind, digest) for digest in digests for kind in (BLOB, *KINDS)]
