"""Lineage: the manifests that tell where an adapter came from and what was decided about it, here or elsewhere.

From another installation they come as one document. Each is checked against its digest and against the others, and
the document is kept as it came: these manifests are not this store's own, so no night ever finds them in place of work.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from nightloom.artifacts.blueprints import Blueprint
from nightloom.artifacts.models import Adapter, BaseModelManifest
from nightloom.artifacts.prompts import Prompt
from nightloom.artifacts.results import Parity, Verdict
from nightloom.artifacts.training import Trial, identify_trial
from nightloom.core.digests import canonical_json, parse_json, short
from nightloom.core.errors import ManifestError
from nightloom.core.manifests import Manifest
from nightloom.core.store import ObjectStore
from nightloom.registry.database import Database
from nightloom.registry.questions import list_children

LINEAGE_FILE = "nightloom.json"

_VERSION = 1
_LARGEST_BYTES = 16 << 20
_LONGEST_ANSWER = 1 << 17
_KINDS: Mapping[str, type[Manifest]] = {
    kind.kind: kind for kind in (Adapter, BaseModelManifest, Prompt, Blueprint, Trial, Parity, Verdict)
}

M = TypeVar("M", bound=Manifest)


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where an adapter came from, as far as it is known.

    Attributes:
        verdicts: Of which it was the candidate, oldest first.
        parities: What these verdicts rest on.
    """

    adapter: Adapter
    base: BaseModelManifest | None
    prompt: Prompt | None
    blueprint: Blueprint | None
    trial: Trial | None
    parities: tuple[Parity, ...]
    verdicts: tuple[Verdict, ...]

    def list_manifests(self) -> list[Manifest]:
        """Give all of them, those that others name first."""
        single = (self.base, self.prompt, self.blueprint, self.trial)
        return [*(one for one in single if one), *self.parities, *self.verdicts, self.adapter]


def read_lineage(store: ObjectStore, database: Database, adapter: Adapter) -> Lineage:
    """Give the lineage of an adapter: that which came with it, or what this installation knows.

    Args:
        store: Holds it.
        database: Knows the verdicts on it.
        adapter: The adapter.
    """
    if adapter.provenance.lineage:
        return parse_lineage(store.get_blob(adapter.provenance.lineage))[0]
    blueprint = store.load_if_there(Blueprint, adapter.provenance.blueprint)
    given = tuple(list_verdicts(store, database, adapter.id))
    parities = (store.load_if_there(Parity, one) for one in dict.fromkeys(one.content.parity for one in given))
    return Lineage(
        adapter=adapter,
        base=store.load_if_there(BaseModelManifest, adapter.content.base),
        prompt=store.load_if_there(Prompt, adapter.provenance.task.prompt),
        blueprint=blueprint,
        trial=_find_trial(store, adapter, blueprint),
        parities=tuple(one for one in parities if one),
        verdicts=given,
    )


def list_verdicts(store: ObjectStore, database: Database, candidate: str) -> list[Verdict]:
    """Return the verdicts of all recipes on an adapter, oldest first."""
    found = (store.load_if_there(Verdict, one) for one in list_children(database, candidate, "verdict", "candidate"))
    return [verdict for verdict in found if verdict]


def dump_lineage(lineage: Lineage, form: str) -> bytes:
    """Write a lineage as the document that travels with a model; `form` says what lies beside it."""
    manifests = [{"id": one.id, **parse_json(one.to_bytes())} for one in lineage.list_manifests()]
    document = {"schema_version": _VERSION, "form": form, "adapter": lineage.adapter.id, "manifests": manifests}
    return canonical_json(document) + b"\n"


def parse_lineage(data: bytes) -> tuple[Lineage, str]:
    """Read such a document from outside, and give it with its form.

    Raises:
        ManifestError: It is not one, a manifest is not what its id says, or they do not belong together.
    """
    if len(data) > _LARGEST_BYTES:
        msg = f"{LINEAGE_FILE} has {len(data)} bytes; Nightloom writes none so large: remove it to import weights alone"
        raise ManifestError(msg)
    try:
        document = parse_json(data)
        if not isinstance(document, dict) or document.get("schema_version") != _VERSION:
            msg = f"it is no document of version {_VERSION}"
            raise ValueError(msg)
        form, named, listed = document["form"], document["adapter"], document["manifests"]
        found = [_read_manifest(one) for one in listed]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        msg = (
            f"{LINEAGE_FILE} is not to be trusted: {error}; export the model again where it came from, or remove the "
            f"file to import weights alone"
        )
        raise ManifestError(msg) from error
    lineage = _put_together(found, named)
    _refuse_strangers(lineage)
    return lineage, str(form)


def _read_manifest(listed: dict[str, Any]) -> Manifest:
    named = dict(listed)
    manifest_id, kind = str(named.pop("id")), str(named["kind"])
    if kind not in _KINDS:
        msg = f"a manifest of kind {kind!r} has no place in it"
        raise ValueError(msg)
    try:
        return _KINDS[kind].from_bytes(canonical_json(named), manifest_id)
    except ManifestError as error:
        msg = f"its {kind} manifest {short(manifest_id)!r} is not what its id says"
        raise ValueError(msg) from error


def _put_together(found: list[Manifest], named: Any) -> Lineage:
    def one(kind: type[M]) -> M | None:
        return next(iter(every(kind)), None)

    def every(kind: type[M]) -> tuple[M, ...]:
        return tuple(each for each in found if isinstance(each, kind))

    adapter = one(Adapter)
    if adapter is None or adapter.id != named:
        msg = (
            f"{LINEAGE_FILE} lacks the manifest of the adapter that it names; export the model again where it came from"
        )
        raise ManifestError(msg)
    return Lineage(
        adapter=adapter,
        base=one(BaseModelManifest),
        prompt=one(Prompt),
        blueprint=one(Blueprint),
        trial=one(Trial),
        parities=every(Parity),
        verdicts=every(Verdict),
    )


def _refuse_strangers(lineage: Lineage) -> None:
    """Check that each manifest is there that another names, and is of this adapter."""
    for what in _list_strangers(lineage):
        msg = (
            f"{LINEAGE_FILE} is not to be trusted: {what}; export the model again where it came from, or remove the "
            f"file to import weights alone"
        )
        raise ManifestError(msg)


def _list_strangers(lineage: Lineage) -> Iterator[str]:
    adapter, blueprint, trial = lineage.adapter, lineage.blueprint, lineage.trial
    if lineage.base is None or lineage.base.id != adapter.content.base:
        yield f"the manifest of its base model {short(adapter.content.base)} is missing"
    if lineage.prompt is None or lineage.prompt.id != adapter.provenance.task.prompt:
        yield f"the manifest of its prompt {short(adapter.provenance.task.prompt)} is missing"
    if (blueprint.id if blueprint else None) != adapter.provenance.blueprint:
        yield f"the manifest of its blueprint {short(str(adapter.provenance.blueprint))} is missing, or of another"
    if not 0 < adapter.provenance.max_new_tokens <= _LONGEST_ANSWER:
        yield f"it claims answers of {adapter.provenance.max_new_tokens} tokens"
    if trial and (trial.result.adapter != adapter.id or trial.key.base != adapter.content.base):
        yield f"trial {short(trial.id)} made another adapter"
    yield from _list_strange_verdicts(lineage)


def _list_strange_verdicts(lineage: Lineage) -> Iterator[str]:
    adapter = lineage.adapter
    for parity in lineage.parities:
        if parity.key.model.adapter != adapter.id:
            yield f"parity {short(parity.id)} is of another adapter"
    proved = {parity.id for parity in lineage.parities}
    for verdict in lineage.verdicts:
        if verdict.content.candidate != adapter.id:
            yield f"verdict {short(verdict.id)} is of another adapter"
        if verdict.content.parity and verdict.content.parity not in proved:
            yield f"parity {short(verdict.content.parity)}, which verdict {short(verdict.id)} cites, is missing"


def _find_trial(store: ObjectStore, adapter: Adapter, blueprint: Blueprint | None) -> Trial | None:
    if blueprint is None or adapter.provenance.trial is None:
        return None
    return store.find(Trial, identify_trial(blueprint.content, adapter.provenance.trial))
