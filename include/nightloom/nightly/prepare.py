"""Prepare: the night's rows become a snapshot, and every row an outcome."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import date, timedelta

from nightloom.artifacts.data import (
    Curated,
    CuratedProvenance,
    Preparation,
    PreparationContent,
    Records,
    Snapshot,
    TokenBudget,
)
from nightloom.artifacts.frames import EXAMPLES, LEDGER, RECORDS, get_frame
from nightloom.artifacts.parts import read_parts
from nightloom.artifacts.reading import has_added
from nightloom.base_models.freeze import run_freeze
from nightloom.core.digests import short
from nightloom.core.errors import InputError, StoreError
from nightloom.core.nights import Night, Stop, compute_night, night_of, parse_night, utc_now
from nightloom.core.ownership import claim_prefix
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore, open_store
from nightloom.curation.curate import curate_records as curate_parts
from nightloom.curation.curate import publish_curated, read_items
from nightloom.curation.evalsets import freeze_eval_set
from nightloom.curation.inputs import CurationInputs
from nightloom.nightly.earlier import read_earlier
from nightloom.nightly.release import find_released_records, has_new_releases
from nightloom.nightly.stops import night_step
from nightloom.processes.parent import in_child
from nightloom.prompts.templates import read_prompt
from nightloom.recipes.check import load_recipe
from nightloom.recipes.schema import Recipe
from nightloom.registry.database import open_database
from nightloom.registry.erasures import read_erasures
from nightloom.registry.nights import (
    begin_stage,
    end_stage,
    index_manifest,
    is_latest_night,
    read_night,
    read_outcomes,
    record_night,
)
from nightloom.registry.refs import move_ref, read_ref, read_ref_before
from nightloom.registry.releases import read_releases
from nightloom.registry.roots import read_registry_id
from nightloom.scanners.normalise import operation_versions
from nightloom.snapshots import freeze
from nightloom.snapshots.canaries import CanaryReport, measure_canaries
from nightloom.snapshots.erase import refuse_erased
from nightloom.sources.extract import extract_records as extract_and_publish
from nightloom.sources.extract import read_canaries
from nightloom.validation.checks import validate_examples, validate_records
from nightloom.validation.docs import render_docs

logger = logging.getLogger(__name__)

_NIGHTS_BACK = 400  # in which an earlier preparation is looked for


def open_night(recipe: str, night: str | None = None) -> str:
    """Write down the cut of a night (none: tonight's) unless it is, and give the night.

    Raises:
        RecipeError: There is no such recipe, or it is broken.
        InputError: The night is not a date, or has not come yet; or the store belongs to another registry.
    """
    settings = load_recipe(recipe)
    tonight = night_of(utc_now(), settings.timezone)
    date = parse_night(night) if night else tonight
    if date > tonight:
        msg = f"night {date} has not come yet in {settings.timezone}; the latest is {tonight}"
        raise InputError(msg)
    # A store that is away is told as the outcome of the first step that needs it.
    with suppress(StoreError):
        claim_prefix(open_store(), read_registry_id(open_database()))
    opened = record_night(open_database(), compute_night(recipe, date, settings.timezone))
    begin_stage(open_database(), recipe, date, "prepare")
    logger.info("night %s of %s: cut from %s to %s", date, recipe, opened.cut_from, opened.cut_to)
    return date.isoformat()


def get_night(recipe: str, night: str) -> Night:
    """Give a night that was opened.

    Raises:
        InputError: It was not.
    """
    opened = read_night(open_database(), recipe, parse_night(night))
    if opened is None:
        msg = f"night {night} of {recipe} was never opened; run `nightloom run {recipe} --night {night}`"
        raise InputError(msg)
    return opened


@night_step("prepare")
def extract_records(recipe: str, night: str) -> str | Stop:
    """Read the window of the source as it stood at the night's cut."""
    settings, store, database = load_recipe(recipe), open_store(), open_database()
    opened, window_days = get_night(recipe, night), settings.prepare.window_days
    records = extract_and_publish(
        store,
        settings.prepare.source,
        settings.task.columns,
        settings.task.answer,
        night=opened,
        window_days=window_days,
        added=find_released_records(store, database, recipe, night=opened, window_days=window_days),
        erased=read_erasures(database, recipe),
    )
    index_manifest(database, "records", records.id, recipe, opened.night)
    rows, new_rows = records.content.rows, records.content.new_rows
    logger.info("records %s: %d rows, %d of them from the night's cut", short(records.id), rows, new_rows)
    is_new = bool(new_rows) or has_new_releases(database, recipe, opened.night)
    if rows and not is_new and _holds_all_before(recipe, opened.night, records):
        return Stop("nothing_new", "the source has no row from the night's cut; the latest snapshot and champion stay")
    return records.id


@night_step("prepare")
def curate_records(recipe: str, night: str, records: str) -> str | Stop:
    """Validate the records, give each an outcome, and validate the examples that remain."""
    settings, store, database, date = load_recipe(recipe), open_store(), open_database(), parse_night(night)
    answer, rules, suites = settings.task.answer, settings.prepare, get_settings().expectations_dir
    earlier = read_earlier(store, database, recipe, date, rules.limits)
    rows, inputs = store.load(Records, records), _gather_inputs(store, settings, date)
    received = validate_records(
        lambda: (get_frame(store, part, RECORDS) for part in rows.content.parts),
        answer,
        rules,
        suites,
        cut_to=get_night(recipe, night).cut_to,
        new_rows=rows.content.new_rows,
        tokens=inputs.tokens,
        earlier=earlier,
    )
    eval_sets = _freeze_eval_sets(store, settings, date)
    curation = curate_parts(
        store, rows, answer, rules, inputs, items=read_items(store, eval_sets), failures=received.failures
    )
    refusal, results, counted = received.refusal, received.results, CuratedProvenance()
    if refusal is None:
        remaining = validate_examples(
            lambda: (get_frame(store, part, EXAMPLES) for part in curation.examples),
            answer,
            rules,
            suites,
            tokens=inputs.tokens,
            bound=curation.bound,
            earlier=earlier,
        )
        refusal, results = remaining.refusal, results + remaining.results
        counted = CuratedProvenance(labels=remaining.labels, text_lengths=remaining.text_lengths)
    docs = store.put_blob(render_docs(results, f"{recipe}, night {night}"))
    curated = publish_curated(
        store,
        records,
        eval_sets,
        curation,
        inputs,
        operations=operation_versions(rules.normalise.operations),
        expectations=[result.expectation for result in results],
        refusal=refusal,
        record=counted.model_copy(update={"docs": docs}),
    )
    index_manifest(database, "curated", curated.id, recipe, date)
    return curated.id if refusal is None else Stop("refused", refusal)


@night_step("prepare")
def build_snapshot(recipe: str, night: str, curated: str) -> str | Stop:
    """Freeze the examples, account for every row of the night, and move `latest`."""
    store, database, date = open_store(), open_database(), parse_night(night)
    refuse_erased(store, curated, read_erasures(database, recipe))
    parent = read_ref_before(database, recipe, "latest", date)
    snapshot = freeze.build_snapshot(store, curated, recipe=recipe, night=date, parent=parent)
    preparation = _publish_preparation(store, load_recipe(recipe), get_night(recipe, night), curated, snapshot)
    index_manifest(database, "snapshot", snapshot.id, recipe, date)
    index_manifest(database, "preparation", preparation.id, recipe, date)
    if is_latest_night(database, recipe, date):
        move_ref(
            database,
            recipe=recipe,
            name="latest",
            expected=read_ref(database, recipe, "latest"),
            value=snapshot.id,
            night=date,
            who="prepare",
            why=f"snapshot of night {night}",
        )
    splits = ", ".join(f"{rows} {split}" for split, rows in snapshot.content.splits.items())
    sentence = f"{preparation.content.rows_in} rows in, {sum(snapshot.content.splits.values())} examples ({splits})"
    end_stage(database, recipe, date, "prepare", "done", sentence, preparation.id)
    return preparation.id


def _holds_all_before(recipe: str, night: date, records: Records) -> bool:
    """Tell whether the latest snapshot holds these records: those of a night that failed and late ones it does not."""
    database, store = open_database(), open_store()
    if read_ref_before(database, recipe, "latest", night) is None:
        return False
    before = read_outcomes(database, recipe, until=night - timedelta(days=1), limit=1)
    if not all(outcome.status in ("done", "nothing_new") for outcome in before if outcome.stage == "prepare"):
        return False
    parent = _find_preparation_before(recipe, night)
    known = store.load(Records, store.load(Preparation, parent).content.records) if parent else None
    return known is not None and not has_added(store, records, known)


def _find_preparation_before(recipe: str, night: date) -> str | None:
    """Give the newest preparation of an earlier night: its clusters and splits are taken over."""
    before = read_outcomes(open_database(), recipe, until=night - timedelta(days=1), limit=_NIGHTS_BACK)
    prepared = (outcome.manifest for outcome in before if outcome.stage == "prepare" and outcome.status == "done")
    return next(prepared, None)


def _gather_inputs(store: ObjectStore, recipe: Recipe, night: date) -> CurationInputs:
    """Gather what curation takes over from earlier nights and from people, and what tokens are counted by."""
    database = open_database()
    parent = _find_preparation_before(recipe.name, night)
    return CurationInputs(
        parent=parent,
        before=store.load(Preparation, parent).content.ledger if parent else (),
        releases=read_releases(database, recipe.name, night),
        erased=read_erasures(database, recipe.name),
        tokens=_freeze_tokenizer(store, recipe),
    )


def _freeze_tokenizer(store: ObjectStore, recipe: Recipe) -> TokenBudget | None:
    """Freeze what tokens are counted by: the base model with its tokenizer, and the prompt; a dummy has none."""
    if recipe.train.base == "dummy":
        return None
    return TokenBudget(
        base=in_child(run_freeze)(base=recipe.train.base)["base"],
        prompt=store.publish(read_prompt(get_settings().prompts_dir, recipe.task.prompt)).id,
        output=recipe.task.output,
        field_order=tuple(recipe.task.answer),
        most=recipe.prepare.token_budget,
    )


def _freeze_eval_sets(store: ObjectStore, recipe: Recipe, night: date) -> list[str]:
    frozen, database = [], open_database()
    erased = read_erasures(database, recipe.name)
    for eval_set in recipe.evaluate.sets:
        records = extract_and_publish(
            store, eval_set.source, eval_set.columns, recipe.task.answer, night=None, window_days=0, erased=erased
        )
        index_manifest(database, "records", records.id, recipe.name, night)
        frozen.append(freeze_eval_set(store, eval_set.name, records.id, recipe.task.answer, recipe.prepare).id)
    return frozen


def _publish_preparation(
    store: ObjectStore, recipe: Recipe, night: Night, curated_id: str, snapshot: Snapshot
) -> Preparation:
    made = store.load(Curated, curated_id)
    curated, counted = made.content, made.provenance
    canaries = _measure_canaries(store, recipe, night, curated.ledger)
    identity = PreparationContent(
        recipe=recipe.name,
        night=night.night.isoformat(),
        cut_from=night.cut_from,
        cut_to=night.cut_to,
        records=curated.records,
        eval_sets=curated.eval_sets,
        snapshot=snapshot.id,
        curated=curated_id,
        ledger=curated.ledger,
        quarantine=curated.quarantine,
        rows_in=store.load(Records, curated.records).content.rows,
        counts=curated.counts,
        expectations=curated.expectations,
        labels=counted.labels,
        text_lengths=counted.text_lengths,
        canaries=canaries.results if canaries else (),
        sound_rows=canaries.sound_rows if canaries else None,
        sound_rows_touched=canaries.sound_rows_touched if canaries else None,
    )
    return store.publish(Preparation(content=identity))


def _measure_canaries(store: ObjectStore, recipe: Recipe, night: Night, ledger: Sequence[str]) -> CanaryReport | None:
    if recipe.prepare.canaries is None:
        return None
    planted = read_canaries(recipe.prepare.canaries, night=night, window_days=recipe.prepare.window_days)
    return measure_canaries(read_parts(store, ledger, LEDGER), planted)
