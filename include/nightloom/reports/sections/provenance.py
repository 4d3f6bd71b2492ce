"""Provenance: the rows that were read, the champion in use, and the ids of everything made."""

from datetime import datetime
from pathlib import Path

from pydantic import Field

from nightloom.artifacts.prompts import Prompt
from nightloom.core.manifests import Manifest, Plain
from nightloom.registry.nights import read_night
from nightloom.reports.night import NightManifests
from nightloom.reports.sections.base import Section


class Named(Plain):
    """An id with a name for people."""

    name: str
    id: str


class Facts(Plain):
    """The cut, the champion and the ids."""

    cut_from: datetime | None
    cut_to: datetime | None
    champion_since: str | None = Field(description="Night of the champion's promotion; None if there is none.")
    champion_before: str | None
    ids: tuple[Named, ...] = Field(description="In the order in which they were made.")


def read(night: NightManifests) -> Facts | None:
    """Return the cut of the night, its champion and its ids, or None if the night never started."""
    cut, ids = read_night(night.database, night.recipe.name, night.date), _list_ids(night)
    if cut is None and not ids:
        return None
    return Facts(
        cut_from=cut.cut_from if cut else None,
        cut_to=cut.cut_to if cut else None,
        champion_since=str(night.champion.night) if night.champion else None,
        champion_before=night.champion.old if night.champion else None,
        ids=ids,
    )


def _list_ids(night: NightManifests) -> tuple[Named, ...]:
    blueprint = night.blueprint.content if night.blueprint else None
    prompt = night.lenient_store.load(Prompt, blueprint.task.prompt if blueprint else None)
    trained = night.trial.result if night.trial else None
    ids: dict[str, Manifest | str | None] = {
        "records": night.records,
        "preparation": night.preparation,
        "snapshot": night.snapshot,
        "base model": blueprint.base if blueprint else None,
        f"prompt {prompt.provenance.name}" if prompt else "prompt": prompt,
        **{f"eval set {use.name}": use.evalset for use in (blueprint.eval_sets if blueprint else ())},
        "blueprint": night.blueprint,
        "trial": night.trial,
        "labels of an example": trained.sample if trained else None,
        "adapter": trained.adapter if trained else None,
        "verdict": night.verdict,
        "champion": night.champion.new if night.champion else None,
        "prediction plan": night.plan,
        "predictions": night.predictions,
    }
    found = {name: each.id if isinstance(each, Manifest) else each for name, each in ids.items()}
    return tuple(Named(name=name, id=each) for name, each in found.items() if each is not None)


SECTION = Section(Path(__file__), "Provenance", Facts, read)
