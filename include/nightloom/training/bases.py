"""Base models: from the name in a recipe to a frozen model in the store."""

import json
from pathlib import Path

from nightloom.artifacts.folders import put_folder, scratch_folder
from nightloom.artifacts.models import BaseModelIdentity, BaseModelManifest
from nightloom.core.errors import InputError
from nightloom.core.store import ObjectStore, open_store
from nightloom.engines.dummy import DUMMY_FILE
from nightloom.training.starter import make_starter


def run_freeze(base: str) -> str:
    """Freeze a base model in this process and give its id: the entry for a worker."""
    return freeze_base(open_store(), base)


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
    return store.publish(BaseModelManifest(identity=BaseModelIdentity(files=put_folder(store, folder)))).id


def _freeze_dummy(store: ObjectStore) -> str:
    with scratch_folder() as folder:
        (folder / DUMMY_FILE).write_text(json.dumps({}), encoding="utf-8")
        files = put_folder(store, folder)
    return store.publish(BaseModelManifest(identity=BaseModelIdentity(files=files))).id
