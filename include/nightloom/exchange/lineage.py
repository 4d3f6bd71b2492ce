"""Lineage: the manifests of an adapter's origin and of the verdicts on it, from here or from elsewhere.

Another installation sends them as one document. Each manifest is checked against its digest and against the others.
The document is stored unchanged and its manifests are not published, so no night reuses them as cached results.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from nightloom.artifacts.blueprints import Blueprint, BlueprintSpec
from nightloom.artifacts.ids import AdapterId, TrialId
from nightloom.artifacts.models import Adapter, BaseModelManifest, Import, TaskSpec
from nightloom.artifacts.prompts import Prompt
from nightloom.artifacts.results import Parity, Verdict
from nightloom.artifacts.training import Trial, identify_trial
from nightloom.core.digests import canonical_json, parse_json, short
from nightloom.core.errors import ManifestError
from nightloom.core.manifests import Manifest
from nightloom.core.store import ObjectStore
from nightloom.promotion.champions import list_imports, list_verdicts
from nightloom.registry.database import Database
from nightloom.registry.members import list_night, list_nights
from nightloom.registry.questions import list_parents

LINEAGE_FILE = "nightloom.json"

_VERSION = 1
_LARGEST_BYTES = 16 << 20
_KINDS: Mapping[str, type[Manifest]] = {
    kind.kind: kind for kind in (Adapter, BaseModelManifest, Prompt, Blueprint, Trial, Import, Parity, Verdict)
}

M = TypeVar("M", bound=Manifest)


@dataclass(frozen=True, slots=True)
class Lineage:
    """The known lineage of a recipe's adapter.

    Attributes:
        blueprint: Blueprint by which the recipe trained the adapter, or would have. Another recipe may have trained
            the same bytes.
        imported: Import of the adapter, or None if it was trained here.
        verdicts: Verdicts on the adapter as candidate, oldest first.
        parities: Parity checks that the verdicts cite.
    """

    adapter: Adapter
    base: BaseModelManifest | None
    prompt: Prompt | None
    blueprint: Blueprint | None
    trial: Trial | None
    imported: Import | None
    parities: tuple[Parity, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def task(self) -> TaskSpec | None:
        """The task of the adapter, or None if neither blueprint nor import is known."""
        if self.blueprint:
            return self.blueprint.content.task
        return self.imported.content.task if self.imported else None

    def list_manifests(self) -> list[Manifest]:
        """Return all manifests, each after those that it names."""
        single = (self.base, self.prompt, self.blueprint, self.trial, self.imported)
        return [*(one for one in single if one), *self.parities, *self.verdicts, self.adapter]


def read_lineage(store: ObjectStore, database: Database, adapter: Adapter, recipe: str) -> Lineage:
    """Return the lineage of a recipe's adapter: known here, or else imported with it.

    Args:
        store: Store of the manifests.
        database: Registry with the recipe's verdicts, imports and nights.
        adapter: The adapter.
        recipe: The recipe. Another recipe may have the same adapter with another task.
    """
    given = tuple(list_verdicts(store, database, recipe, adapter.id))
    imported = next(reversed(list_imports(store, database, recipe, adapter.id)), None)
    if imported and imported.content.lineage and not given:
        return replace(parse_lineage(store.get_blob(imported.content.lineage))[0], adapter=adapter, imported=imported)
    blueprint, trial = _find_training(store, database, adapter.id, recipe, given)
    parities = (store.load_if_there(Parity, one) for one in dict.fromkeys(one.content.parity for one in given))
    lineage = Lineage(
        adapter=adapter,
        base=store.load_if_there(BaseModelManifest, adapter.content.base),
        prompt=None,
        blueprint=blueprint,
        trial=trial,
        imported=None if blueprint else imported,
        parities=tuple(one for one in parities if one),
        verdicts=given,
    )
    return replace(lineage, prompt=store.load_if_there(Prompt, lineage.task.prompt if lineage.task else None))


def dump_lineage(lineage: Lineage, form: str) -> bytes:
    """Return a lineage as the document for an export. `form` is the form of the exported model."""
    manifests = [{"id": one.id, **parse_json(one.to_bytes())} for one in lineage.list_manifests()]
    document = {"schema_version": _VERSION, "form": form, "adapter": lineage.adapter.id, "manifests": manifests}
    return canonical_json(document) + b"\n"


def parse_lineage(data: bytes) -> tuple[Lineage, str]:
    """Return the lineage and the form of a document from elsewhere.

    Raises:
        ManifestError: The document is invalid, a manifest does not match its id, or manifests do not fit together.
    """
    if len(data) > _LARGEST_BYTES:
        msg = f"{LINEAGE_FILE} has {len(data)} bytes, more than Nightloom writes; remove it to import only the weights"
        raise ManifestError(msg)
    try:
        document = parse_json(data)
        if not isinstance(document, dict) or document.get("schema_version") != _VERSION:
            msg = f"not a document of version {_VERSION}"
            raise ValueError(msg)
        form, named, listed = document["form"], document["adapter"], document["manifests"]
        found = [_read_manifest(one) for one in listed]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        msg = (
            f"{LINEAGE_FILE} cannot be trusted: {error}; export the model again at its source, or remove the file to "
            f"import only the weights"
        )
        raise ManifestError(msg) from error
    lineage = _put_together(found, named)
    _refuse_mismatches(lineage)
    return lineage, str(form)


def _read_manifest(listed: dict[str, Any]) -> Manifest:
    named = dict(listed)
    manifest_id, kind = str(named.pop("id")), str(named["kind"])
    if kind not in _KINDS:
        msg = f"unexpected manifest of kind {kind!r}"
        raise ValueError(msg)
    try:
        return _KINDS[kind].from_bytes(canonical_json(named), manifest_id)
    except ManifestError as error:
        msg = f"{kind} manifest {short(manifest_id)!r} does not match its id"
        raise ValueError(msg) from error


def _put_together(found: list[Manifest], named: Any) -> Lineage:
    def one(kind: type[M]) -> M | None:
        return next(iter(every(kind)), None)

    def every(kind: type[M]) -> tuple[M, ...]:
        return tuple(each for each in found if isinstance(each, kind))

    adapter = one(Adapter)
    if adapter is None or adapter.id != named:
        msg = f"{LINEAGE_FILE} lacks the manifest of the adapter that it names; export the model again at its source"
        raise ManifestError(msg)
    return Lineage(
        adapter=adapter,
        base=one(BaseModelManifest),
        prompt=one(Prompt),
        blueprint=one(Blueprint),
        trial=one(Trial),
        imported=one(Import),
        parities=every(Parity),
        verdicts=every(Verdict),
    )


def _refuse_mismatches(lineage: Lineage) -> None:
    """Check that no named manifest is missing, and that all are about this adapter."""
    for mismatch in _list_mismatches(lineage):
        msg = (
            f"{LINEAGE_FILE} cannot be trusted: {mismatch}; export the model again at its source, or remove the file "
            f"to import only the weights"
        )
        raise ManifestError(msg)


def _list_mismatches(lineage: Lineage) -> Iterator[str]:
    adapter, blueprint, trial, task = lineage.adapter, lineage.blueprint, lineage.trial, lineage.task
    if lineage.base is None or lineage.base.id != adapter.content.base:
        yield f"the manifest of base model {short(adapter.content.base)} is missing"
    if lineage.verdicts and (blueprint is None or blueprint.id != lineage.verdicts[-1].content.blueprint):
        yield f"the manifest of blueprint {short(lineage.verdicts[-1].content.blueprint)} is missing"
    if task is None:
        yield "the task of the adapter is missing"
    elif lineage.prompt is None or lineage.prompt.id != task.prompt:
        yield f"the manifest of prompt {short(task.prompt)} is missing"
    if trial and (trial.result.adapter != adapter.id or trial.key.base != adapter.content.base):
        yield f"trial {short(trial.id)} made another adapter"
    if trial and (blueprint is None or trial.id not in _list_trials(blueprint.content)):
        yield f"trial {short(trial.id)} is of another blueprint"
    if lineage.imported and lineage.imported.content.adapter != adapter.id:
        yield f"import {short(lineage.imported.id)} is of another adapter"
    yield from _list_mismatched_verdicts(lineage)


def _list_mismatched_verdicts(lineage: Lineage) -> Iterator[str]:
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


def _find_training(
    store: ObjectStore, database: Database, adapter_id: AdapterId, recipe: str, verdicts: Sequence[Verdict]
) -> tuple[Blueprint | None, Trial | None]:
    """Return the recipe's blueprint and trial of an adapter, from the last verdict or else from a night."""
    trained = set(list_parents(database, adapter_id, Trial.kind))
    if verdicts:
        blueprint = store.load_if_there(Blueprint, verdicts[-1].content.blueprint)
        return blueprint, _find_trial(store, blueprint, trained)
    for night in reversed(list_nights(database, recipe, adapter_id)):
        for one in reversed(list_night(database, recipe, night, Blueprint.kind)):
            blueprint = store.load_if_there(Blueprint, one.manifest)
            if trial := _find_trial(store, blueprint, trained):
                return blueprint, trial
    return None, None


def _find_trial(store: ObjectStore, blueprint: Blueprint | None, trained: Collection[str]) -> Trial | None:
    """Return the first of a blueprint's trials that is in `trained`, or None."""
    trials = _list_trials(blueprint.content) if blueprint else ()
    return next((store.load_if_there(Trial, one) for one in trials if one in trained), None)


def _list_trials(spec: BlueprintSpec) -> list[TrialId]:
    return [Trial.id_of(identify_trial(spec, number)) for number in range(len(spec.trials))]
