"""Verify: whether all that a blueprint names is unaltered in the store, and whether this installation is as it says."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain

from nightloom.artifacts.blueprints import Blueprint, BlueprintIdentity
from nightloom.artifacts.folders import scratch_folder
from nightloom.artifacts.models import BaseModelManifest
from nightloom.artifacts.reading import read_eval_set
from nightloom.blueprints.compile import installed_code, installed_versions
from nightloom.core.digests import short
from nightloom.core.errors import InputError, ManifestError
from nightloom.core.store import ObjectStore
from nightloom.prompts.templates import Prompt

DETERMINISTIC_WORKSPACES = (":4096:8", ":16:8")

CHANGES_RESULTS = (
    *("ACCELERATE_MIXED_PRECISION", "ACCELERATE_DYNAMO_BACKEND", "ACCELERATE_USE_DEEPSPEED", "ACCELERATE_USE_FSDP"),
    *("NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "ATEN_CPU_CAPABILITY"),
    *("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS"),
)
"""Variables by which libraries compute otherwise, and which no blueprint declares."""

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_THREAD_LIMIT")
"""Variables by which a CPU adds sums up in another order: after some steps the weights are others, though as good."""


def verify_inputs(
    store: ObjectStore, blueprint: BlueprintIdentity, verify_snapshot: Callable[[ObjectStore, str], object]
) -> list[str]:
    """Recompute every digest that a blueprint names, and give one sentence for each thing that is not as it was.

    Args:
        store: Where they lie.
        blueprint: Names snapshot, base model, prompt and eval sets.
        verify_snapshot: Raises a ManifestError where files or rows of a snapshot are not those that it was frozen with.
    """
    return [
        *_catch(lambda: store.load(Prompt, blueprint.task.prompt)),
        *_catch(lambda: verify_snapshot(store, blueprint.snapshot)),
        *_verify_base(store, blueprint.base),
        *chain.from_iterable(_catch(partial(read_eval_set, store, use.evalset)) for use in blueprint.eval_sets),
    ]


def verify_installation(
    blueprint: BlueprintIdentity, described: Mapping[str, str | None] | None, environment: Mapping[str, str]
) -> list[str]:
    """Say for what reasons this installation would not give what the blueprint says.

    Args:
        blueprint: Names code, packages, tokenizer and chat template.
        described: Digests of tokenizer and template as this installation reads them; none: they could not be read.
        environment: Variables of the process that trains.
    """
    return [*verify_code(blueprint), *_verify_reading(blueprint, described), *_verify_environment(environment)]


def verify_code(blueprint: BlueprintIdentity) -> list[str]:
    """Say in which of our packages and which libraries this installation is another than the blueprint's."""
    return [*_verify_ours(blueprint), *_verify_libraries(blueprint)]


def refuse_other(blueprint: Blueprint, differences: Sequence[str]) -> None:
    """Refuse to run a blueprint where something is not as it says: what came of it would bear the wrong name.

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


def _verify_base(store: ObjectStore, base: str) -> Iterator[str]:
    try:
        files = store.load(BaseModelManifest, base).identity.files
    except ManifestError as error:
        yield str(error)
        return
    with scratch_folder() as folder:
        for file in files:
            try:
                # Through a file: weights may be larger than memory.
                store.fetch_file(file.sha256, folder / "blob")
            except ManifestError as error:
                yield f"{file.path} of base model {short(base)}: {error}"


def _verify_ours(blueprint: BlueprintIdentity) -> Iterator[str]:
    present = installed_code()
    for name, digest in blueprint.code.items():
        if present.get(name) != digest:
            yield f"the code of {name} is another now; check out the commit that the blueprint was compiled at"


def _verify_libraries(blueprint: BlueprintIdentity) -> Iterator[str]:
    versions = installed_versions()
    for package in sorted({*blueprint.packages, *versions}):
        wanted, found = blueprint.packages.get(package), versions.get(package)
        if wanted is None:
            yield f"{package} {found} is installed, and was not; uninstall it"
        elif found != wanted:
            yield f"{package} is {found or 'not installed'}, not {wanted}; install {package}=={wanted}"


def _verify_reading(blueprint: BlueprintIdentity, described: Mapping[str, str | None] | None) -> Iterator[str]:
    if described is None:
        return
    for what, name in (("tokenizer", "tokenizer"), ("template", "chat template")):
        wanted, found = getattr(blueprint, what), described[what]
        if wanted != found:
            yield (
                f"the base model's {name} is read as {short(found or 'none')} here, not as {short(wanted or 'none')}; "
                f"install the packages that the blueprint names"
            )


def _verify_environment(environment: Mapping[str, str]) -> Iterator[str]:
    for name in (*CHANGES_RESULTS, *THREADS):
        if name in environment:
            yield f"{name}={environment[name]} changes results, and the blueprint does not know of it; unset it"
    workspace = environment.get("CUBLAS_WORKSPACE_CONFIG", DETERMINISTIC_WORKSPACES[0])
    if workspace not in DETERMINISTIC_WORKSPACES:
        yield (
            f"CUBLAS_WORKSPACE_CONFIG={workspace} makes no GPU deterministic; unset it, or write "
            f"{' or '.join(DETERMINISTIC_WORKSPACES)}"
        )
