"""Maintenance: weekly checks of the registry and the store."""

import logging

from airflow.sdk import task

from nightloom.core.counts import show_count
from nightloom.registry import rebuild, refs
from nightloom.registry.database import open_database
from nightloom.registry.store import open_store

logger = logging.getLogger(__name__)


@task
def verify_log() -> None:
    """Check that no line of the ref log was changed or removed, and that the refs are where the log ends."""
    logger.info("ref log verified: %s", show_count(refs.verify_log(open_database()), "move"))


@task
def compare_index() -> None:
    """Check that the registry's index and the store have the same manifests."""
    manifests = rebuild.compare_index(open_store(), open_database())
    logger.info("index and store agree: %s", show_count(manifests, "manifest"))
