"""Weights: compare the files of two adapters byte by byte, then tensor by tensor."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nightloom.artifacts.training import LossPoint
from nightloom.core.digests import digest_file

Likeness = Literal["bit-equal", "numerically equal", "different"]

_WEIGHTS = ".safetensors"


@dataclass(frozen=True, slots=True)
class TensorDifference:
    """Difference between two tensors.

    Attributes:
        name: File and tensor.
        absolute: Largest difference between two elements.
        relative: The same, as a share of the largest element of the original tensor.
    """

    name: str
    absolute: float
    relative: float


@dataclass(frozen=True, slots=True)
class WeightsComparison:
    """Result of comparing two adapters.

    Attributes:
        likeness: `bit-equal`: every file has the same bytes. `numerically equal`: tensors have the same names, shapes
            and types, differences are within the tolerance, and the configuration is the same.
        tolerance: Allowed absolute difference; relative for elements larger than 1.
        reasons: One message for each reason why the adapters are different.
        largest: Tensor with the largest difference, or None if no tensors differ or could be compared.
        tensors: Number of compared tensors.
        loss: Largest difference between the loss curves, or None if they have no step in common.
    """

    likeness: Likeness
    tolerance: float
    reasons: tuple[str, ...]
    largest: TensorDifference | None
    tensors: int
    loss: float | None


def compare_folders(before: Path, after: Path, tolerance: float, loss: float | None = None) -> WeightsComparison:
    """Compare the files of two adapters byte by byte, then tensor by tensor."""
    old, new = (
        {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        for folder in (before, after)
    )
    differing = [name for name in sorted({*old, *new}) if not _are_same(old.get(name), new.get(name))]
    if not differing:
        return WeightsComparison("bit-equal", tolerance, (), None, 0, loss)
    reasons: list[str] = []
    found: list[TensorDifference] = []
    for name in differing:
        if name not in old or name not in new:
            reasons.append(f"{name} is {'new' if name not in old else 'missing'}")
        elif name.endswith(_WEIGHTS):
            _compare_weights(name, old[name], new[name], tolerance, found, reasons)
        elif not _are_same_document(old[name], new[name]):
            reasons.append(f"{name} has different contents")
    largest = max(found, key=lambda one: (one.absolute, one.name), default=None)
    return WeightsComparison(
        "different" if reasons else "numerically equal", tolerance, tuple(reasons), largest, len(found), loss
    )


def compare_curves(before: Sequence[LossPoint], after: Sequence[LossPoint]) -> float | None:
    """Return the largest difference between losses at the same step, or None if no step is common."""
    known = {point.step: point.loss for point in before}
    return max((abs(known[point.step] - point.loss) for point in after if point.step in known), default=None)


def _are_same(old: Path | None, new: Path | None) -> bool:
    return old is not None and new is not None and digest_file(old) == digest_file(new)


def _are_same_document(old: Path, new: Path) -> bool:
    try:
        first, second = (json.loads(path.read_text(encoding="utf-8")) for path in (old, new))
    except ValueError:
        return False
    return bool(first == second)


def _compare_weights(
    name: str, old: Path, new: Path, tolerance: float, found: list[TensorDifference], reasons: list[str]
) -> None:
    """Compare two files of weights. Append differences to `found`, and those beyond the tolerance to `reasons`."""
    from safetensors import safe_open

    with safe_open(old, framework="pt") as first, safe_open(new, framework="pt") as second:
        names = [set(one.keys()) for one in (first, second)]
        reasons += [f"{name}: tensor {one} is missing" for one in sorted(names[0] - names[1])]
        reasons += [f"{name}: tensor {one} is new" for one in sorted(names[1] - names[0])]
        for one in sorted(names[0] & names[1]):
            reasons += _compare_tensors(
                f"{name}: {one}", first.get_tensor(one), second.get_tensor(one), tolerance, found
            )


def _compare_tensors(name: str, old: Any, new: Any, tolerance: float, found: list[TensorDifference]) -> Iterator[str]:
    if old.shape != new.shape or old.dtype != new.dtype:
        yield f"{name} is {_describe(new)}, not {_describe(old)}"
        return
    # In float64, so that the subtraction itself rounds nothing.
    first, second = old.double(), new.double()
    apart = (first - second).abs()
    absolute, scale = (float(one.max()) if one.numel() else 0.0 for one in (apart, first.abs()))
    if not math.isfinite(absolute):
        yield f"{name} holds values that are not finite"
        return
    found.append(TensorDifference(name, absolute, absolute / scale if scale else absolute))
    if not bool((apart <= tolerance * first.abs().clamp(min=1.0)).all()):
        yield f"{name} differs by up to {absolute:.3g}"


def _describe(tensor: Any) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
