"""Roots: what the registry names in the store, from which garbage collection begins; and who the registry is."""

import uuid
from datetime import timedelta

import sqlalchemy as sa

from nightloom.core.nights import utc_now
from nightloom.registry.database import Database
from nightloom.registry.tables import (
    InstallationRow,
    LeaseRow,
    ManifestRow,
    OutcomeRow,
    RefMoveRow,
    RefRow,
    ReleaseRow,
    TrialRow,
)

_TRIAL_WAITS = timedelta(days=14)
"""For so long a trial that was left is likely to be taken up again, and its last checkpoint is kept."""


def read_registry_id(database: Database) -> str:
    """Give the random id of this registry, made when it is first asked for."""
    with database.transaction() as session:
        row = session.get(InstallationRow, 1)
        if row is None:
            row = InstallationRow(number=1, registry_id=str(uuid.uuid4()))
            session.add(row)
        return row.registry_id


def list_roots(database: Database) -> dict[str, str]:
    """Give the id of each manifest that the registry names, with the reason.

    These are what refs point to and ever pointed to, what stages of nights came to, what a night that is not over has
    made, what was imported, what rows were released from, and what somebody has leased.
    """
    now = utc_now().replace(tzinfo=None)
    unfinished = sa.select(OutcomeRow.recipe, OutcomeRow.night).where(OutcomeRow.status == "running")
    queries: dict[str, sa.Executable] = {
        "leased": sa.select(LeaseRow.scope).where(LeaseRow.expires_at > now),
        "unfinished night": sa.select(ManifestRow.manifest).where(
            sa.tuple_(ManifestRow.recipe, ManifestRow.night).in_(unfinished)
        ),
        "unfinished trial": sa.select(TrialRow.checkpoint).where(
            TrialRow.checkpoint.is_not(None), TrialRow.finished_at.is_(None), TrialRow.seen_at > now - _TRIAL_WAITS
        ),
        "imported": sa.select(ManifestRow.manifest).where(ManifestRow.kind == "adapter", ManifestRow.night.is_(None)),
        "release": sa.select(ReleaseRow.preparation),
        "night": sa.select(OutcomeRow.manifest).where(OutcomeRow.manifest.is_not(None)),
        "earlier ref": sa.union(
            sa.select(RefMoveRow.new), sa.select(RefMoveRow.verdict).where(RefMoveRow.verdict.is_not(None))
        ),
        "ref": sa.select(RefRow.value),
    }
    roots: dict[str, str] = {}
    with database.transaction() as session:
        for reason, query in queries.items():
            # A lease's scope is kind and id.
            roots |= {value.rpartition("/")[2]: reason for value in session.scalars(query)}
    return roots


def list_manifest_recipes(database: Database) -> dict[str, set[str]]:
    """Give, for the id of each manifest that a recipe's night made, the recipes."""
    made: dict[str, set[str]] = {}
    outcomes = sa.select(OutcomeRow.manifest, OutcomeRow.recipe).where(OutcomeRow.manifest.is_not(None))
    indexed = sa.select(ManifestRow.manifest, ManifestRow.recipe).where(ManifestRow.recipe.is_not(None))
    with database.transaction() as session:
        for query in (indexed, outcomes):
            for manifest, recipe in session.execute(query):
                made.setdefault(str(manifest), set()).add(str(recipe))
    return made
