"""Base models: from the name in a recipe to a frozen model in the store."""

import json
from pathlib import Path

from nightloom.artifacts.folders import fetch_model, put_folder, scratch_folder
from nightloom.artifacts.models import BaseModelIdentity, BaseModelManifest, BaseModelRecord, ModelFile
from nightloom.core.errors import InputError
from nightloom.core.store import ObjectStore, open_store
from nightloom.engines.dummy import DUMMY_FILE
from nightloom.engines.tokens import open_encoder
from nightloom.training.encode import digest_tokenizer
from nightloom.training.starter import make_starter


def run_freeze(base: str) -> dict[str, str | None]:
    """Freeze a base model in this process: the entry for a worker.

    Gives its id (base), and the digests of its tokenizer and chat template; none of a model that has neither.
    """
    store = open_store()
    base_id = freeze_base(store, base)
    if base == "dummy":
        return {"base": base_id, "tokenizer": None, "template": None}
    manifest, folder = fetch_model(store, BaseModelManifest, base_id)
    encoder = open_encoder(folder)
    digest = digest_tokenizer(manifest.identity.files, encoder)
    return {"base": base_id, "tokenizer": digest, "template": encoder.template}


def freeze_base(store: ObjectStore, base: str) -> str:
    """Give the id of a base model: `starter`, `dummy`, or a folder with a model.

    Raises:
        InputError: There is no such folder, or what lies there is not plain data.
    """
    if base == "starter":
        return make_starter(store)
    if base == "dummy":
        return _freeze_dummy(store)
    folder = Path(base)
    if not folder.is_dir():
        msg = f"base model {base!r} is neither `starter`, `dummy`, nor a folder on this machine"
        raise InputError(msg)
    return store.publish(_manifest(put_folder(store, folder), folder.name)).id


def _freeze_dummy(store: ObjectStore) -> str:
    with scratch_folder() as folder:
        (folder / DUMMY_FILE).write_text(json.dumps({}), encoding="utf-8")
        files = put_folder(store, folder)
    return store.publish(_manifest(files, "dummy")).id


def _manifest(files: tuple[ModelFile, ...], source: str) -> BaseModelManifest:
    return BaseModelManifest(identity=BaseModelIdentity(files=files), record=BaseModelRecord(source=source))
