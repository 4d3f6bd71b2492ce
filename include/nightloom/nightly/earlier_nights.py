"""Earlier nights: their volumes, labels and text lengths, to compare tonight's batch with."""

from datetime import date, timedelta

from nightloom.artifacts.data import Preparation, Records
from nightloom.core.store import ObjectStore
from nightloom.recipes.limits import Limits
from nightloom.registry.database import Database
from nightloom.registry.nights import read_outcomes
from nightloom.validation.limits import Earlier

_LOOK_BACK = 60
"""Number of nights that are searched for finished ones."""


def read_earlier_nights(store: ObjectStore, database: Database, recipe: str, night: date, limits: Limits) -> Earlier:
    """Return the statistics of the finished nights before one, if their manifests are still in the store.

    Raises:
        StoreError: The store cannot be read.
        RegistryError: The registry cannot be read.
    """
    asked = max((volume.nights for volume in (limits.volume, limits.new_rows) if volume), default=1)
    done = [
        outcome.manifest
        for outcome in read_outcomes(database, recipe, until=night - timedelta(days=1), limit=_LOOK_BACK)
        if outcome.stage == "prepare" and outcome.status == "done" and outcome.manifest
    ]
    # Retention may have deleted some. Fewer nights to compare with are better than a failed night.
    found = [preparation for manifest in done[:asked] if (preparation := store.load_if_there(Preparation, manifest))]
    records = [(each, kept) for each in found if (kept := store.load_if_there(Records, each.content.records))]
    return Earlier(
        rows=tuple(each.content.rows_in for each in found),
        new_rows=tuple(
            kept.content.new_rows / each.content.cut_days for each, kept in records if each.content.cut_days
        ),
        labels=found[0].content.labels if found else {},
        text_lengths=found[0].content.text_lengths if found else {},
    )
