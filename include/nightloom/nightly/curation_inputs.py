"""Curation inputs: what the rows of a night are curated with, and the key of the result that they decide."""

import logging
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta

from nightloom.artifacts.data import Curation, Preparation, TokenBudget
from nightloom.artifacts.fingerprints import CURATION
from nightloom.artifacts.frames import RELEASES, put_frame
from nightloom.artifacts.ids import RecordsId
from nightloom.artifacts.models import specify_task
from nightloom.base_models.freeze import find_task_rendering, freeze_for_task
from nightloom.core.digests import digest_json
from nightloom.core.errors import InputError
from nightloom.core.settings import get_settings
from nightloom.curation.evalsets import FrozenEvalSet, describe_rows, freeze_eval_set
from nightloom.curation.inputs import CurationInputs
from nightloom.nightly.context import Night
from nightloom.processes.packages import worker_packages
from nightloom.prompts.templates import read_prompt
from nightloom.registry.erasures import read_erasures
from nightloom.registry.nights import read_outcomes
from nightloom.registry.releases import read_releases
from nightloom.scanners.registry import make_checks
from nightloom.sources.extract import extract_records as extract_and_publish
from nightloom.validation.limits import Earlier
from nightloom.validation.suites import digest_suites

logger = logging.getLogger(__name__)

_NIGHTS_BACK = 400  # searched for an earlier preparation


def gather_inputs(night: Night) -> CurationInputs:
    """Return the inputs of curation besides the records: earlier results, releases, erasures and the tokenizer."""
    registry, recipe, parent = night.registry, night.recipe.name, find_preparation_before(night)
    return CurationInputs(
        parent=parent.id if parent else None,
        before=parent.content.ledger if parent else (),
        releases=read_releases(registry, recipe, night.date),
        erased=read_erasures(registry, recipe),
        tokens=_freeze_tokenizer(night),
    )


def freeze_eval_sets(night: Night) -> list[FrozenEvalSet]:
    """Freeze the eval sets of the recipe; curation leaves their rows out of the examples."""
    frozen, recipe, store = [], night.recipe, night.store
    erased = read_erasures(night.registry, recipe.name)
    for eval_set in recipe.evaluate.sets:
        records = extract_and_publish(
            store, eval_set.source, eval_set.columns, recipe.task.answer, night=None, window_days=0, erased=erased
        )
        night.keep(records.kind, records.id)
        frozen.append(freeze_eval_set(store, eval_set.name, records.id, recipe.task.answer, recipe.prepare))
        logger.log(
            logging.WARNING if frozen[-1].rows.refused or frozen[-1].rows.unused else logging.INFO,
            "%s",
            describe_rows(frozen[-1].rows),
        )
    return frozen


def identify_curation(
    night: Night, records_id: RecordsId, eval_sets: Sequence[FrozenEvalSet], inputs: CurationInputs, earlier: Earlier
) -> Curation.Key:
    """Return the key of a curation: everything that decides its result."""
    rules, folder = night.recipe.prepare, get_settings().expectations_dir
    return Curation.Key(
        records=records_id,
        eval_sets=tuple(each.manifest.id for each in eval_sets),
        eval_rows=tuple(each.rows for each in eval_sets),
        parent=inputs.parent,
        releases=put_frame(night.store, inputs.releases, RELEASES) if len(inputs.releases) else None,
        erased=digest_json(sorted(inputs.erased)),
        tokens=inputs.tokens,
        answer={name: field.model_dump(mode="json") for name, field in night.recipe.task.answer.items()},
        rules=rules.model_dump(mode="json"),
        checks=make_checks(rules),
        suites=digest_suites(rules, folder),
        earlier=digest_json(asdict(earlier)),
        cut_to=night.cut.cut_to,
        cut_days=night.cut.days,
        code=CURATION.code(),
        packages=CURATION.versions(worker_packages()),
    )


def find_preparation_before(night: Night) -> Preparation | None:
    """Return the newest preparation of an earlier night, whose clusters and splits are kept, or None."""
    until = night.date - timedelta(days=1)
    before = read_outcomes(night.registry, night.recipe.name, until=until, limit=_NIGHTS_BACK)
    prepared = (outcome.manifest for outcome in before if outcome.stage == "prepare" and outcome.status == "done")
    found = next(prepared, None)
    return night.store.load(Preparation, found) if found else None


def _freeze_tokenizer(night: Night) -> TokenBudget | None:
    """Freeze the base model and prompt that tokens are counted with; return None for a dummy base model."""
    recipe, store = night.recipe, night.store
    if recipe.train.base == "dummy":
        return None
    prompt = store.publish(read_prompt(get_settings().prompts_dir, recipe.task.prompt))
    task = specify_task(recipe.task, prompt.id)
    base_id = freeze_for_task(store, recipe.train.base, task)["base"]
    most, checked = recipe.prepare.token_budget, find_task_rendering(store, base_id, task)
    if most and checked and most > checked.result.context:
        msg = (
            f"prepare.token_budget is {most}, and base {recipe.train.base} holds {checked.result.context} tokens; "
            f"write at most that, or remove it"
        )
        raise InputError(msg)
    return TokenBudget(
        base=base_id,
        prompt=prompt.id,
        output=task.output,
        field_order=task.field_order,
        chat_template_kwargs=task.chat_template_kwargs,
        most=most,
    )
