"""Prepare: turn the night's rows into a snapshot, with an outcome for every row."""

import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

from nightloom.artifacts.data import (
    Curated,
    CuratedProvenance,
    Curation,
    Preparation,
    PreparationContent,
    Records,
    Snapshot,
)
from nightloom.artifacts.frames import EXAMPLES, LEDGER, RECORDS, get_frame
from nightloom.artifacts.ids import CuratedId, PreparationId, RecordsId
from nightloom.artifacts.parts import read_parts
from nightloom.core.counts import show_count
from nightloom.core.digests import short
from nightloom.core.errors import InputError, StoreError
from nightloom.core.nights import Stop, compute_cut, night_of, parse_night, utc_now
from nightloom.core.ownership import claim_prefix
from nightloom.core.settings import get_settings
from nightloom.curation.curate import curate_records as curate_parts
from nightloom.curation.curate import publish_curated, read_items
from nightloom.curation.evalsets import FrozenEvalSet, describe_rows, find_refusal
from nightloom.curation.inputs import CurationInputs
from nightloom.curation.planted import PlantedReport, measure_planted
from nightloom.nightly.context import Night, describe_recipe
from nightloom.nightly.curation_inputs import (
    freeze_eval_sets,
    gather_inputs,
    identify_curation,
)
from nightloom.nightly.earlier_nights import read_earlier_nights
from nightloom.nightly.release import find_released_records, has_new_releases
from nightloom.nightly.steps import night_step
from nightloom.nightly.unchanged import is_unchanged
from nightloom.recipes.check import load_recipe
from nightloom.registry.cuts import explain_taken
from nightloom.registry.database import open_database
from nightloom.registry.erasures import read_erasures
from nightloom.registry.night_lock import acquire_night_lock
from nightloom.registry.nights import (
    OpenedBy,
    begin_stage,
    is_latest_night,
    pin_recipe,
    read_night,
    record_night,
)
from nightloom.registry.refs import move_ref, read_ref, read_ref_before
from nightloom.registry.roots import read_registry_id
from nightloom.registry.store import open_store
from nightloom.scanners.registry import make_checks
from nightloom.snapshots import freeze
from nightloom.snapshots.erase import refuse_erased
from nightloom.sources.extract import extract_records as extract_and_publish
from nightloom.sources.extract import read_planted_rows
from nightloom.validation.checks import validate_examples, validate_records
from nightloom.validation.docs import render_docs
from nightloom.validation.limits import Earlier

logger = logging.getLogger(__name__)


def open_night(recipe: str, night: str | None = None, opened_by: OpenedBy = "hand") -> str:
    """Begin a night, or tonight if None is given: lock the recipe, record cut and recipe, and return the date.

    The recipe is read from its file and pinned: all steps of the night use it, even if the file changes.

    Args:
        recipe: Name of the recipe.
        night: A date, or None for tonight.
        opened_by: Whether the schedule or a person begins it.

    Raises:
        RecipeError: There is no such recipe, or it is broken.
        InputError: The night is not a date or is in the future, or the store belongs to another registry.
        NightBusyError: Another night of the recipe is running.
    """
    settings, registry = load_recipe(recipe), open_database()
    tonight = night_of(utc_now(), settings.timezone)
    date = parse_night(night) if night else tonight
    if date > tonight:
        msg = f"night {date} is in the future in {settings.timezone}; the latest night is {tonight}"
        raise InputError(msg)
    acquire_night_lock(registry, recipe, date)
    # An unreachable store is reported as the outcome of the first step that needs it.
    with suppress(StoreError):
        claim_prefix(open_store(), read_registry_id(registry))
    cut = record_night(registry, compute_cut(recipe, date, settings.timezone, settings.schedule), opened_by)
    pinned = pin_recipe(registry, recipe, date, describe_recipe(settings))
    begin_stage(registry, recipe, date, "prepare")
    logger.info("night %s: recipe %s, cut from %s to %s", date, short(pinned), cut.cut_from, cut.cut_to)
    return date.isoformat()


def record_missed_night(recipe: str, night: str) -> None:
    """Record a night that was due and never began, so that it has a report; it can still be run.

    Raises:
        RecipeError: There is no such recipe, or it is broken.
    """
    settings, registry, date = load_recipe(recipe), open_database(), parse_night(night)
    if read_night(registry, recipe, date) is None:
        record_night(registry, compute_cut(recipe, date, settings.timezone, settings.schedule), "nightwatch")
        pin_recipe(registry, recipe, date, describe_recipe(settings))


@night_step("prepare")
def extract_records(night: Night) -> RecordsId | Stop:
    """Read the window of the source as of the night's cut."""
    recipe, window_days = night.recipe, night.recipe.prepare.window_days
    records = extract_and_publish(
        night.store,
        recipe.prepare.source,
        recipe.task.columns,
        recipe.task.answer,
        night=night.cut,
        window_days=window_days,
        added=find_released_records(night.store, night.registry, recipe.name, night=night.cut, window_days=window_days),
        erased=read_erasures(night.registry, recipe.name),
    )
    night.keep(records.kind, records.id)
    rows, new_rows = records.content.rows, records.content.new_rows
    logger.info("records %s: %d rows, %d of them new", short(records.id), rows, new_rows)
    is_new = bool(new_rows) or has_new_releases(night.registry, recipe.name, night.date)
    taken = explain_taken(night.registry, "prepare", night.cut)
    if taken and not rows:
        return Stop("nothing_new", taken)
    if rows and not is_new and is_unchanged(night, records):
        return Stop("nothing_new", taken or "the source has no new rows; the latest snapshot and champion stay")
    return records.id


@night_step("prepare")
def curate_records(night: Night, records_id: RecordsId) -> CuratedId | Stop:
    """Validate the records, decide the outcome of each, and validate the examples that remain."""
    rows, inputs, eval_sets = night.store.load(Records, records_id), gather_inputs(night), freeze_eval_sets(night)
    earlier = read_earlier_nights(
        night.store, night.registry, night.recipe.name, night.date, night.recipe.prepare.limits
    )
    key = identify_curation(night, records_id, eval_sets, inputs, earlier)

    def curate() -> Curation:
        curated = _curate(night, rows, eval_sets, inputs, earlier)
        return Curation(key=key, result=Curation.Result(curated=curated.id))

    made = night.store.find_or_make(Curation, key, curate).result.curated
    night.keep(Curated.kind, made)
    curated = night.store.load(Curated, made)
    unusable = find_refusal(curated.content.eval_rows, night.recipe.evaluate.max_refused)
    why = _explain_refusal(night, curated.content) if curated.content.refusal else unusable
    if why is None:
        return made
    # A refused night has its accounting too, so that people can ask what became of its rows.
    return Stop("refused", why, _publish_preparation(night, curated, None).id)


@night_step("prepare")
def build_snapshot(night: Night, curated_id: CuratedId) -> PreparationId:
    """Freeze the examples, account for every row of the night, and move `latest`."""
    recipe, store, registry = night.recipe.name, night.store, night.registry
    refuse_erased(store, curated_id, read_erasures(registry, recipe))
    parent = read_ref_before(registry, recipe, "latest", night.date)
    parent_id = Snapshot.as_id(parent) if parent else None
    snapshot = freeze.build_snapshot(store, curated_id, recipe=recipe, night=night.date, parent_id=parent_id)
    preparation = _publish_preparation(night, store.load(Curated, curated_id), snapshot)
    night.keep(snapshot.kind, snapshot.id)
    if is_latest_night(registry, recipe, night.date):  # a rerun of an older night must not move it back
        move_ref(
            registry,
            recipe=recipe,
            name="latest",
            expected=read_ref(registry, recipe, "latest"),
            value=snapshot.id,
            night=night.date,
            who="prepare",
            why=f"snapshot of night {night}",
        )
    splits = ", ".join(f"{rows} {split}" for split, rows in snapshot.content.splits.items())
    lacking = [describe_rows(each) for each in preparation.content.eval_rows if each.refused or each.unused]
    examples = show_count(sum(snapshot.content.splits.values()), "example")
    counted = f"{show_count(preparation.content.rows_in, 'row')} in, {examples} ({splits})"
    taken = explain_taken(registry, "prepare", night.cut)
    message = "; ".join([counted, *lacking, *([taken] if taken else [])])
    night.end("prepare", "done", message, preparation.id)
    return preparation.id


def _curate(
    night: Night, records: Records, eval_sets: Sequence[FrozenEvalSet], inputs: CurationInputs, earlier: Earlier
) -> Curated:
    store, answer, rules = night.store, night.recipe.task.answer, night.recipe.prepare
    suites = get_settings().expectations_dir
    received = validate_records(
        lambda: (get_frame(store, part, RECORDS) for part in records.content.parts),
        answer,
        rules,
        suites,
        cut_to=night.cut.cut_to,
        cut_days=night.cut.days,
        new_rows=records.content.new_rows,
        tokens=inputs.tokens,
        earlier=earlier,
    )
    curation = curate_parts(
        store,
        records,
        answer,
        rules,
        inputs,
        items=read_items(store, [each.manifest.id for each in eval_sets]),
        failures=received.failures,
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
    docs = store.put_blob(render_docs(results, f"{night.recipe.name}, night {night}"))
    return publish_curated(
        store,
        records.id,
        eval_sets,
        curation,
        inputs,
        checks=make_checks(rules),
        expectations=[result.expectation for result in results],
        refusal=refusal,
        record=counted.model_copy(update={"docs": docs}),
    )


def _explain_refusal(night: Night, curated: Curated.Content) -> str:
    """Return why a batch is refused, with the most frequent reason of its rows if most of them were refused."""
    refused = [count for count in curated.counts if count.outcome == "quarantined"]
    rows = sum(count.rows for count in curated.counts if count.outcome != "superseded")
    if 2 * sum(count.rows for count in refused) < max(rows, 1):
        return str(curated.refusal)
    most = max(refused, key=lambda count: count.rows)
    ledger = (
        get_frame(night.store, part, LEDGER).filter(outcome="quarantined", rule=most.rule) for part in curated.ledger
    )
    measured = Counter(value for lines in ledger for value in lines["measured"].drop_nulls())
    usual = next((f" ({value})" for value, times in measured.most_common(1) if 2 * times > most.rows), "")
    show = f"`nightloom quarantine show {night.recipe.name} --night {night} --rule {most.rule}`"
    return (
        f"{curated.refusal}; the most frequent reason is {most.rule}{usual}, "
        f"in {most.rows} of {show_count(rows, 'row')}: see {show}"
    )


def _publish_preparation(night: Night, made: Curated, snapshot: Snapshot | None) -> Preparation:
    curated, counted = made.content, made.provenance
    planted = _measure_planted(night, curated.ledger)
    content = PreparationContent(
        recipe=night.recipe.name,
        night=str(night),
        cut_from=night.cut.cut_from,
        cut_to=night.cut.cut_to,
        records=curated.records,
        eval_sets=curated.eval_sets,
        eval_rows=curated.eval_rows,
        snapshot=snapshot.id if snapshot else None,
        curated=made.id,
        ledger=curated.ledger,
        quarantine=curated.quarantine,
        rows_in=night.store.load(Records, curated.records).content.rows,
        counts=curated.counts,
        expectations=curated.expectations,
        labels=counted.labels,
        text_lengths=counted.text_lengths,
        planted=planted.results if planted else (),
        other_rows=planted.other_rows if planted else None,
        other_rows_changed=planted.other_rows_changed if planted else None,
    )
    return night.publish(Preparation(content=content))


def _measure_planted(night: Night, ledger: Sequence[str]) -> PlantedReport | None:
    rules = night.recipe.prepare
    if rules.planted_rows is None:
        return None
    planted = read_planted_rows(rules.planted_rows, night=night.cut, window_days=rules.window_days)
    return measure_planted(read_parts(night.store, ledger, LEDGER), planted)
