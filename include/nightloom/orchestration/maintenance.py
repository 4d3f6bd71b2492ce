"""Maintenance: what is looked at every week, whatever the nights came to."""

import logging

from airflow.sdk import task

from nightloom.registry import rebuild, refs
from nightloom.registry.database import open_database
from nightloom.registry.store import open_store

logger = logging.getLogger(__name__)


@task
def verify_log() -> None:
    """Check that no line of the ref log was altered or removed, and that the refs stand where it ends."""
    logger.info("the ref log is whole; moves verified: %d", refs.verify_log(open_database()))


@task
def compare_index() -> None:
    """Check that the registry's index and the store have the same manifests."""
    logger.info("index and store have the same manifests: %d", rebuild.compare_index(open_store(), open_database()))
