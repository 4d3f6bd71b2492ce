"""Replay: train a finished trial again and compare the weights."""

import os
import platform
import time
from dataclasses import asdict
from typing import Any

from nightloom.artifacts.blueprints import Blueprint
from nightloom.artifacts.folders import fetch_model
from nightloom.artifacts.ids import BlueprintId
from nightloom.artifacts.models import Adapter
from nightloom.artifacts.training import Trial, identify_trial
from nightloom.blueprints.compile import describe_machine, find_winner
from nightloom.blueprints.verify import verify_installation
from nightloom.blueprints.weights import compare_curves, compare_folders
from nightloom.core.counts import show_count
from nightloom.core.digests import short
from nightloom.core.errors import InputError
from nightloom.core.scratch import scratch_folder
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore
from nightloom.processes.device_leases import on_device
from nightloom.processes.packages import worker_packages
from nightloom.registry.store import open_store
from nightloom.training.distributed import count_processes, lead
from nightloom.trials.train import retrain_trial


def choose_trial(store: ObjectStore, blueprint_id: BlueprintId, trial_no: int | None) -> int:
    """Return the number of a finished trial: the given one, or the winner.

    Raises:
        InputError: The blueprint has no such trial, or the trial is not trained yet.
    """
    spec = store.load(Blueprint, blueprint_id).content
    number = find_winner(store, blueprint_id) if trial_no is None else trial_no
    if number is None:
        msg = f"the {len(spec.trials)} trials of {short(blueprint_id)} are not ranked yet; choose one with --trial"
        raise InputError(msg)
    _find_trial(store, blueprint_id, number)
    return number


def list_environment_changes(store: ObjectStore, blueprint_id: BlueprintId) -> list[str]:
    """Return what differs here from where the blueprint was compiled. Not every difference changes the result."""
    blueprint = store.load(Blueprint, blueprint_id)
    record, present = blueprint.provenance, worker_packages()
    changes = verify_installation(blueprint.content, None, os.environ)
    others = {n for n in {*record.packages, *present} if record.packages.get(n) != present.get(n)}
    others -= blueprint.content.packages.keys()
    if others and record.packages:
        changes.append(f"{len(others)} other packages have different versions: {', '.join(sorted(others)[:5])}")
    if record.python != platform.python_version():
        changes.append(f"Python is {platform.python_version()}, not {record.python}")
    if record.machine != describe_machine():
        changes.append(f"the machine is {describe_machine()}, not {record.machine}")
    return changes


def replay_on_device(blueprint_id: BlueprintId, trial_no: int, tolerance: float) -> dict[str, Any]:
    """Train a trial again in the training interpreter, on a leased device; return what `replay_trial` returns."""
    replay = on_device(run_replay, processes=get_settings().processes)
    return replay(blueprint_id=blueprint_id, trial_no=trial_no, tolerance=tolerance)


def run_replay(blueprint_id: BlueprintId, trial_no: int, tolerance: float) -> dict[str, Any]:
    """Replay a trial in this process: entry point of a child process."""
    return replay_trial(open_store(), blueprint_id, trial_no, tolerance)


def replay_trial(store: ObjectStore, blueprint_id: BlueprintId, trial_no: int, tolerance: float) -> dict[str, Any]:
    """Train a trial again, publish nothing, and compare the weights with the finished trial.

    Returns:
        The fields of `WeightsComparison`, and `seconds`, `device` and `device_before`.

    Raises:
        InputError: The trial is not trained yet, or the blueprint has no such trial.
    """
    spec = store.load(Blueprint, blueprint_id).content
    original = store.find(Trial, identify_trial(spec, trial_no)) if 0 <= trial_no < len(spec.trials) else None
    if original is None:
        msg = (
            f"trial {trial_no} of blueprint {short(blueprint_id)} is not trained yet: there is nothing to compare with"
        )
        raise InputError(msg)
    _, before = fetch_model(store, Adapter, original.result.adapter)
    began = time.monotonic()
    with scratch_folder() as after:
        training = retrain_trial(store, blueprint_id, trial_no, after)
        seconds = round(time.monotonic() - began, 2)
        loss = compare_curves(original.result.curve, training.curve)
        found = lead(lambda: compare_folders(before, after, tolerance, loss))
    devices = {
        "device": _name_devices(training.device, count_processes()),
        "device_before": _name_devices(original.result.device, original.result.processes),
    }
    return {**asdict(found), "seconds": seconds, **devices}


def _name_devices(device: str, processes: int) -> str:
    return device if processes == 1 else f"{processes} x {device}"


def _find_trial(store: ObjectStore, blueprint_id: BlueprintId, number: int) -> Trial:
    spec = store.load(Blueprint, blueprint_id).content
    if not 0 <= number < len(spec.trials):
        planned = show_count(len(spec.trials), "trial")
        msg = f"blueprint {short(blueprint_id)} plans {planned}; {number} is not one of them"
        raise InputError(msg)
    found = store.find(Trial, identify_trial(spec, number))
    if found is None:
        msg = f"trial {number} of {short(blueprint_id)} is not trained yet; train it with `nightloom blueprint run`"
        raise InputError(msg)
    return found
