"""Maintenance: weekly checks of the registry and the store."""

import logging

from airflow.sdk import task

from nightloom.registry import rebuild, refs
from nightloom.registry.database import open_database
from nightloom.registry.store import open_store

logger = logging.getLogger(__name__)


@task
def verify_log() -> None:
    """Check that no line of the ref log was changed or removed, and that the refs are where the log ends."""
    logger.info("ref log verified: %d moves", refs.verify_log(open_database()))


@task
def compare_index() -> None:
    """Check that the registry's index and the store have the same manifests."""
    logger.info("index and store agree: %d manifests", rebuild.compare_index(open_store(), open_database()))
