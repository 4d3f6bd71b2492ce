"""Lineage: the manifests that tell where an adapter came from and what was decided about it, here or elsewhere.

From another installation they come as one document. Each is checked against its digest and against the others, and
the document is kept as it came: these manifests are not this store's own, so no night ever finds them in place of work.
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
    """Where a recipe's adapter came from, as far as it is known.

    Attributes:
        blueprint: By which the recipe trained it, or would have: the same bytes may be another recipe's, too.
        imported: How the recipe adopted it; None where it was trained.
        verdicts: Of which it was the candidate, oldest first.
        parities: What these verdicts rest on.
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
        """What the adapter is asked; None where nothing says so any more."""
        if self.blueprint:
            return self.blueprint.content.task
        return self.imported.content.task if self.imported else None

    def list_manifests(self) -> list[Manifest]:
        """Return all of them, those that others name first."""
        single = (self.base, self.prompt, self.blueprint, self.trial, self.imported)
        return [*(one for one in single if one), *self.parities, *self.verdicts, self.adapter]


def read_lineage(store: ObjectStore, database: Database, adapter: Adapter, recipe: str) -> Lineage:
    """Return the lineage of an adapter as a recipe has it: what this installation knows, or what came with it.

    Args:
        store: Holds it.
        database: Knows the recipe's verdicts on it, its imports and its nights.
        adapter: The adapter.
        recipe: Whose: another recipe may have the same bytes, and ask them something else.
    """
    given = tuple(list_verdicts(store, database, recipe, adapter.id))
    imported = next(reversed(list_imports(store, database, recipe, adapter.id)), None)
    if imported and imported.content.lineage and not given:
        return replace(parse_lineage(store.get_blob(imported.content.lineage))[0], adapter=adapter, imported=imported)
    blueprint, trial = _find_training(store, database, adapter.id, recipe, given)
    parities = (store.load_if_there(Parity, one) for one in dict.fromkeys(one.content.parity for one in given))
    told = Lineage(
        adapter=adapter,
        base=store.load_if_there(BaseModelManifest, adapter.content.base),
        prompt=None,
        blueprint=blueprint,
        trial=trial,
        imported=None if blueprint else imported,
        parities=tuple(one for one in parities if one),
        verdicts=given,
    )
    return replace(told, prompt=store.load_if_there(Prompt, told.task.prompt if told.task else None))


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
        imported=one(Import),
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
    adapter, blueprint, trial, task = lineage.adapter, lineage.blueprint, lineage.trial, lineage.task
    if lineage.base is None or lineage.base.id != adapter.content.base:
        yield f"the manifest of its base model {short(adapter.content.base)} is missing"
    if lineage.verdicts and (blueprint is None or blueprint.id != lineage.verdicts[-1].content.blueprint):
        yield f"the manifest of its blueprint {short(lineage.verdicts[-1].content.blueprint)} is missing, or of another"
    if task is None:
        yield "nothing in it says what the adapter is asked"
    elif lineage.prompt is None or lineage.prompt.id != task.prompt:
        yield f"the manifest of its prompt {short(task.prompt)} is missing"
    if trial and (trial.result.adapter != adapter.id or trial.key.base != adapter.content.base):
        yield f"trial {short(trial.id)} made another adapter"
    if trial and (blueprint is None or trial.id not in _list_trials(blueprint.content)):
        yield f"trial {short(trial.id)} is of another blueprint"
    if lineage.imported and lineage.imported.content.adapter != adapter.id:
        yield f"import {short(lineage.imported.id)} is of another adapter"
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


def _find_training(
    store: ObjectStore, database: Database, adapter_id: AdapterId, recipe: str, verdicts: Sequence[Verdict]
) -> tuple[Blueprint | None, Trial | None]:
    """Return the recipe's blueprint that gives an adapter, and its trial: of the last verdict, else of a night."""
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
    """Return the one of a blueprint's trials that is among others."""
    trials = _list_trials(blueprint.content) if blueprint else ()
    return next((store.load_if_there(Trial, one) for one in trials if one in trained), None)


def _list_trials(spec: BlueprintSpec) -> list[TrialId]:
    return [Trial.id_of(identify_trial(spec, number)) for number in range(len(spec.trials))]
