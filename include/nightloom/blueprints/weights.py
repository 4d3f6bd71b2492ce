"""Weights: how far the files of two adapters are apart, byte by byte, else tensor by tensor."""

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
    """How far one tensor is from the other.

    Attributes:
        name: File and tensor.
        absolute: The largest difference of two elements.
        relative: The same as a share of the largest element of the one that stands.
    """

    name: str
    absolute: float
    relative: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """What training again came to.

    Attributes:
        likeness: `bit-equal`: the same bytes in every file. `numerically equal`: tensors of the same names, shapes and
            types, no element further away than the tolerance, and settings that are the same.
        tolerance: Of the absolute difference, and of the relative one where elements are larger than 1.
        reasons: Why it is different, a sentence each.
        largest: The tensor that is furthest away; none: no two tensors differ, or could be compared.
        tensors: How many were compared.
        loss: The largest difference of two points of the loss curves; none: they have no step in common.
    """

    likeness: Likeness
    tolerance: float
    reasons: tuple[str, ...]
    largest: TensorDifference | None
    tensors: int
    loss: float | None


def compare_folders(before: Path, after: Path, tolerance: float, loss: float | None = None) -> Comparison:
    """Compare the files of two adapters: byte by byte, else tensor by tensor."""
    old, new = (
        {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        for folder in (before, after)
    )
    differing = [name for name in sorted({*old, *new}) if not _are_same(old.get(name), new.get(name))]
    if not differing:
        return Comparison("bit-equal", tolerance, (), None, 0, loss)
    reasons: list[str] = []
    found: list[TensorDifference] = []
    for name in differing:
        if name not in old or name not in new:
            reasons.append(f"{name} is {'new' if name not in old else 'gone'}")
        elif name.endswith(_WEIGHTS):
            _compare_weights(name, old[name], new[name], tolerance, found, reasons)
        elif not _are_same_document(old[name], new[name]):
            reasons.append(f"{name} says something else")
    largest = max(found, key=lambda one: (one.absolute, one.name), default=None)
    return Comparison(
        "different" if reasons else "numerically equal", tolerance, tuple(reasons), largest, len(found), loss
    )


def compare_curves(before: Sequence[LossPoint], after: Sequence[LossPoint]) -> float | None:
    """Return the largest difference of the losses at the same steps; nothing where there is no such step."""
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
    """Compare two files of weights: differences go into `found`, what is beyond the tolerance also into `reasons`."""
    from safetensors import safe_open

    with safe_open(old, framework="pt") as first, safe_open(new, framework="pt") as second:
        names = [set(one.keys()) for one in (first, second)]
        reasons += [f"{name}: tensor {one} is gone" for one in sorted(names[0] - names[1])]
        reasons += [f"{name}: tensor {one} is new" for one in sorted(names[1] - names[0])]
        for one in sorted(names[0] & names[1]):
            reasons += _compare_tensors(
                f"{name}: {one}", first.get_tensor(one), second.get_tensor(one), tolerance, found
            )


def _compare_tensors(name: str, old: Any, new: Any, tolerance: float, found: list[TensorDifference]) -> Iterator[str]:
    if old.shape != new.shape or old.dtype != new.dtype:
        yield f"{name} is {_describe(new)}, not {_describe(old)}"
        return
    first, second = old.double(), new.double()
    apart = (first - second).abs()
    absolute, scale = (float(one.max()) if one.numel() else 0.0 for one in (apart, first.abs()))
    if not math.isfinite(absolute):
        yield f"{name} holds values that are no numbers"
        return
    found.append(TensorDifference(name, absolute, absolute / scale if scale else absolute))
    if not bool((apart <= tolerance * first.abs().clamp(min=1.0)).all()):
        yield f"{name} is up to {absolute:.3g} away"


def _describe(tensor: Any) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
