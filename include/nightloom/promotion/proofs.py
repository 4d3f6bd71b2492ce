"""Proofs: a model that a person makes the champion is proved to be served as it was trained, like any candidate."""

from collections.abc import Sequence

from nightloom.artifacts import fingerprints
from nightloom.artifacts.folders import fetch_model
from nightloom.artifacts.ids import AdapterId, ParityId
from nightloom.artifacts.models import Adapter, BaseModelManifest, ModelRef
from nightloom.artifacts.results import Parity, Verdict
from nightloom.base_models.dummy import is_dummy
from nightloom.core.digests import short
from nightloom.core.errors import InputError
from nightloom.core.store import ObjectStore
from nightloom.processes.devices import NO_DEVICE
from nightloom.processes.packages import worker_packages
from nightloom.processes.parent import in_child
from nightloom.promotion.champions import Citation, find_task, load_citation
from nightloom.promotion.parity import Tuned, identify_made_up_parity, prove_on_made_up_texts
from nightloom.registry.store import open_store


def require_parity(store: ObjectStore, adapter_id: AdapterId, cited: str | None) -> None:
    """Refuse an adapter that is not proved to be served as it was trained, after trying to prove it.

    A proof counts if our code and the installed libraries are still those of the proof.

    Args:
        store: Holds the adapter, and gets the proof.
        adapter_id: The adapter.
        cited: Verdict or import that the move cites, or None if it cites neither.

    Raises:
        InputError: The adapter failed its proof, or its task is unknown.
    """
    adapter = store.load(Adapter, adapter_id)
    if is_dummy(adapter.content.files):
        return
    if cited is None:
        msg = f"adapter {short(adapter_id)} has no verdict or import, so its task is unknown; import it again"
        raise InputError(msg)
    citation = load_citation(store, cited)
    judged = store.load_if_there(Parity, citation.content.parity if isinstance(citation, Verdict) else None)
    if judged and not (judged.mismatch or _is_current(judged)):
        judged = None
    refuse_mismatched(adapter_id, [judged or _find_or_prove(store, adapter, citation)])


def refuse_mismatched(adapter_id: AdapterId, parities: Sequence[Parity]) -> None:
    """Refuse an adapter whose last proof of parity failed.

    Raises:
        InputError: The last proof failed.
    """
    if parities and (mismatch := parities[-1].mismatch):
        msg = f"adapter {short(adapter_id)} failed its proof of parity: {mismatch}; promote another adapter"
        raise InputError(msg)


def run_proof(adapter_id: AdapterId, cited: str) -> ParityId:
    """Prove an adapter on made-up texts, and return the id of the proof: entry point of a child process."""
    store = open_store()
    manifest, folder = fetch_model(store, Adapter, adapter_id)
    _, base = fetch_model(store, BaseModelManifest, manifest.content.base)
    tuned = Tuned(base, folder, manifest.content.method)
    task = find_task(store, load_citation(store, cited))
    return store.publish(prove_on_made_up_texts(store, _name_model(manifest), task, tuned)).id


def _is_current(parity: Parity) -> bool:
    ours = fingerprints.PARITY.code(), fingerprints.PARITY.versions(worker_packages())
    return (parity.key.code, parity.key.packages) == ours


def _find_or_prove(store: ObjectStore, adapter: Adapter, citation: Citation) -> Parity:
    key = identify_made_up_parity(_name_model(adapter), find_task(store, citation), worker_packages())
    if kept := store.find(Parity, key):
        return kept
    # Without a GPU: a rollback must not wait for a training.
    return store.load(Parity, in_child(run_proof, environment=NO_DEVICE)(adapter_id=adapter.id, cited=citation.id))


def _name_model(adapter: Adapter) -> ModelRef:
    return ModelRef(base=adapter.content.base, adapter=adapter.id)
