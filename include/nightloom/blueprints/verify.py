"""Verify: check a blueprint against the store, this installation and its recipe."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

from nightloom.artifacts.blueprints import Blueprint, BlueprintSpec
from nightloom.artifacts.data import EvalSetManifest
from nightloom.artifacts.ids import BaseId, BlueprintId
from nightloom.artifacts.models import BaseModelContent, BaseModelManifest, ModelFile
from nightloom.artifacts.prompts import Prompt
from nightloom.artifacts.reading import read_eval_set
from nightloom.base_models.freeze import FrozenBase, describe_base, run_describe
from nightloom.blueprints.changes import diff_blueprints
from nightloom.blueprints.compile import draft_blueprint, installed_code, installed_versions
from nightloom.core.digests import short
from nightloom.core.errors import InputError, ManifestError
from nightloom.core.nights import parse_night
from nightloom.core.scratch import scratch_folder
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore
from nightloom.processes.packages import worker_packages
from nightloom.processes.parent import in_child
from nightloom.prompts.templates import read_prompt
from nightloom.recipes.check import load_recipe
from nightloom.recipes.schema import Recipe
from nightloom.snapshots.verify import verify_snapshot

DETERMINISTIC_WORKSPACES = (":4096:8", ":16:8")

CHANGES_RESULTS = (
    *("ACCELERATE_MIXED_PRECISION", "ACCELERATE_DYNAMO_BACKEND", "ACCELERATE_USE_DEEPSPEED", "ACCELERATE_USE_FSDP"),
    *("NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "ATEN_CPU_CAPABILITY"),
    *("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS"),
)
"""Environment variables that change the results of libraries and are not part of a blueprint."""

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_THREAD_LIMIT")
"""Environment variables that change the order of summation on a CPU: weights then differ slightly after some steps."""


@dataclass(frozen=True, slots=True)
class BlueprintCheck:
    """Differences from a blueprint, one message each.

    Attributes:
        store: Damaged or missing inputs: the blueprint cannot run anywhere.
        installation: Reasons why this installation would produce a different result.
        recipe: Changes of the recipe since: it now compiles to another blueprint.
    """

    store: list[str]
    installation: list[str]
    recipe: list[str]

    @property
    def is_valid(self) -> bool:
        """Whether there is no difference."""
        return not (self.store or self.installation or self.recipe)


def verify_blueprint(store: ObjectStore, blueprint_id: BlueprintId) -> BlueprintCheck:
    """Recompute every digest in a blueprint, and compare store, installation and recipe with it.

    Raises:
        ManifestError: The blueprint itself is missing or damaged.
    """
    blueprint = store.load(Blueprint, blueprint_id)
    damaged = verify_inputs(store, blueprint.content)
    described = None if damaged else in_child(run_describe)(base_id=blueprint.content.base)
    return BlueprintCheck(
        store=damaged,
        installation=verify_installation(blueprint.content, described, os.environ),
        recipe=list(_verify_recipe(store, blueprint)),
    )


def open_stored(store: ObjectStore, blueprint_id: BlueprintId) -> Blueprint:
    """Return a stored blueprint if this installation can run it.

    Raises:
        ManifestError: The blueprint is not in the store.
        InputError: Code, packages or environment differ from the blueprint.
    """
    blueprint = store.load(Blueprint, blueprint_id)
    # The number of threads depends on the machine, so it does not stop a run.
    environment = {name: value for name, value in os.environ.items() if name not in THREADS}
    refuse_differences(blueprint, verify_installation(blueprint.content, None, environment))
    return blueprint


def verify_inputs(store: ObjectStore, spec: BlueprintSpec) -> list[str]:
    """Recompute every digest in a blueprint, and return one message for each damaged or missing input."""
    return [
        *_catch(lambda: store.load(Prompt, spec.task.prompt)),
        *_catch(lambda: verify_snapshot(store, spec.snapshot)),
        *_verify_base_files(store, spec.base),
        *chain.from_iterable(_catch(partial(read_eval_set, store, use.evalset)) for use in spec.eval_sets),
    ]


def verify_installation(spec: BlueprintSpec, described: FrozenBase | None, environment: Mapping[str, str]) -> list[str]:
    """Return the reasons why this installation would not reproduce a blueprint.

    Args:
        spec: Content of the blueprint.
        described: Digests of tokenizer and chat template as read here, or None if they could not be read.
        environment: Environment variables of the training process.
    """
    return [*verify_code(spec), *_verify_reading(spec, described), *_verify_environment(environment)]


def verify_code(spec: BlueprintSpec) -> list[str]:
    """Return the differences of code and library versions between this installation and a blueprint."""
    return [*_verify_ours(spec), *_verify_libraries(spec)]


def refuse_differences(blueprint: Blueprint, differences: Sequence[str]) -> None:
    """Refuse to run a blueprint with differences: its results would be stored under the wrong key.

    Raises:
        InputError: There are differences.
    """
    if differences:
        msg = f"blueprint {short(blueprint.id)} cannot run here: {'; '.join(differences)}"
        raise InputError(msg)


def _catch(check: Callable[[], object]) -> list[str]:
    try:
        check()
    except ManifestError as error:
        return [str(error)]
    return []


def _verify_base_files(store: ObjectStore, base_id: BaseId) -> Iterator[str]:
    try:
        files = store.load(BaseModelManifest, base_id).content.files
    except ManifestError as error:
        yield str(error)
        return
    with scratch_folder() as folder:
        for file in files:
            try:
                # Through a file: weights may be larger than memory.
                store.fetch_file(file.sha256, folder / "blob")
            except ManifestError as error:
                yield f"{file.path} of base model {short(base_id)}: {error}"


def _verify_ours(spec: BlueprintSpec) -> Iterator[str]:
    present = installed_code()
    for name, digest in spec.code.items():
        if present.get(name) != digest:
            yield f"the code of {name} has changed; check out the commit that the blueprint was compiled at"


def _verify_libraries(spec: BlueprintSpec) -> Iterator[str]:
    versions = installed_versions()
    for package in sorted({*spec.packages, *versions}):
        wanted, found = spec.packages.get(package), versions.get(package)
        if wanted is None:
            yield f"{package} {found} is installed, but was not; uninstall it"
        elif found != wanted:
            yield f"{package} is {found or 'not installed'}, not {wanted}; install {package}=={wanted}"


def _verify_reading(spec: BlueprintSpec, described: FrozenBase | None) -> Iterator[str]:
    if described is None:
        return
    for name, wanted, found in (
        ("tokenizer", spec.tokenizer, described["tokenizer"]),
        ("chat template", spec.template, described["template"]),
    ):
        if wanted != found:
            yield (
                f"the base model's {name} is read as {short(found or 'none')} here, not as {short(wanted or 'none')}; "
                f"install the packages that the blueprint lists"
            )


def _verify_environment(environment: Mapping[str, str]) -> Iterator[str]:
    for name in (*CHANGES_RESULTS, *THREADS):
        if name in environment:
            yield f"{name}={environment[name]} changes results and is not part of the blueprint; unset it"
    workspace = environment.get("CUBLAS_WORKSPACE_CONFIG", DETERMINISTIC_WORKSPACES[0])
    if workspace not in DETERMINISTIC_WORKSPACES:
        yield (
            f"CUBLAS_WORKSPACE_CONFIG={workspace} does not make a GPU deterministic; unset it, or set it to "
            f"{' or '.join(DETERMINISTIC_WORKSPACES)}"
        )


def _verify_recipe(store: ObjectStore, blueprint: Blueprint) -> Iterator[str]:
    spec = blueprint.content
    try:
        recipe = load_recipe(spec.recipe)
    except InputError as error:
        yield str(error)
        return
    yield from _verify_prompt(store, spec, recipe)
    yield from _verify_base(store, spec, recipe)
    names = [one.name for one in recipe.evaluate.sets]
    if names != [use.name for use in spec.eval_sets]:
        yield f"the recipe compares on {', '.join(names)}, not on {', '.join(use.name for use in spec.eval_sets)}"
        return
    try:
        prompt = store.load(Prompt, spec.task.prompt)
        eval_sets = [store.load(EvalSetManifest, use.evalset) for use in spec.eval_sets]
    except ManifestError:
        return  # reported with the store
    # Everything but the recipe is taken from the blueprint, so only settings of the recipe can differ.
    again = draft_blueprint(
        recipe,
        night=parse_night(blueprint.provenance.night),
        snapshot_id=spec.snapshot,
        base_id=spec.base,
        tokenizer=spec.tokenizer,
        template=spec.template,
        prompt=prompt,
        eval_sets=eval_sets,
    )
    changes = diff_blueprints(spec, again.content)
    yield from (change.message for change in changes if change.group not in ("code", "packages"))


def _verify_prompt(store: ObjectStore, spec: BlueprintSpec, recipe: Recipe) -> Iterator[str]:
    name = recipe.task.prompt
    try:
        found = read_prompt(get_settings().prompts_dir, name)
    except InputError as error:
        yield str(error)
        return
    if found.id == spec.task.prompt:
        return
    asked = store.load_if_there(Prompt, spec.task.prompt)
    before = asked.provenance.name if asked else short(spec.task.prompt)
    if before == name:
        yield f"prompt {name} was edited; restore its text, and save the new text as a new version"
    else:
        yield f"the recipe uses prompt {name}, not {before}"


def _verify_base(store: ObjectStore, spec: BlueprintSpec, recipe: Recipe) -> Iterator[str]:
    name = recipe.train.base
    try:
        found = describe_base(store, name, worker_packages())
    except InputError as error:
        yield str(error)
        return
    if found is None:
        yield f"base model {name} would be built again with this code and these packages"
    elif (now := BaseModelManifest.id_of(found)) != spec.base:
        others = _compare(store, spec.base, found)
        yield f"base model {name} is {short(now)} now, not {short(spec.base)}{others}"


def _compare(store: ObjectStore, before: str, now: BaseModelContent) -> str:
    """Return which files of a base model differ, as the end of a message."""
    known = store.load_if_there(BaseModelManifest, before)
    if known is None:
        return ""  # reported with the store
    old, new = _by_path(known.content.files), _by_path(now.files)
    others = [path for path in sorted({*old, *new}) if old.get(path) != new.get(path)]
    return ": " + ", ".join(f"{path} {_describe_file(old.get(path), new.get(path))}" for path in others)


def _by_path(files: tuple[ModelFile, ...]) -> dict[str, str]:
    return {file.path: file.sha256 for file in files}


def _describe_file(old: str | None, new: str | None) -> str:
    if old is None:
        return "was added"
    return "is missing" if new is None else "has changed"
