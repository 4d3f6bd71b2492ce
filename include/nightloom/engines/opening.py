"""Opening: from a model's ids to a loaded engine."""

import logging

from nightloom.artifacts.folders import fetch_model
from nightloom.artifacts.models import Adapter, BaseModelManifest, ModelRef
from nightloom.base_models.dummy import is_dummy, read_votes
from nightloom.core.digests import short
from nightloom.core.errors import InputError
from nightloom.core.store import ObjectStore
from nightloom.engines.base import Engine
from nightloom.engines.dummy import DummyEngine
from nightloom.engines.transformers import open_transformers

logger = logging.getLogger(__name__)


def open_engine(store: ObjectStore, model: ModelRef) -> Engine:
    """Fetch and load a model: with the dummy engine if it is a dummy, otherwise with transformers.

    Raises:
        InputError: The adapter was trained on another base model, or does not fit the base model.
    """
    base, base_folder = fetch_model(store, BaseModelManifest, model.base)
    if model.adapter is None:
        logger.info("base model %s: loading", short(model.base))
        if is_dummy(base.content.files):
            return DummyEngine(read_votes(base_folder))
        return open_transformers(base_folder, None, None)
    adapter, adapter_folder = fetch_model(store, Adapter, model.adapter)
    if adapter.content.base != model.base:
        msg = (
            f"adapter {short(model.adapter)} was trained on base model {short(adapter.content.base)}, "
            f"not on {short(model.base)}; use the base model of the adapter"
        )
        raise InputError(msg)
    logger.info("adapter %s: loading on base model %s", short(model.adapter), short(model.base))
    if is_dummy(adapter.content.files):
        return DummyEngine(read_votes(adapter_folder))
    return open_transformers(base_folder, adapter_folder, adapter.content.method)
