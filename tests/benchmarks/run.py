"""`make bench`: measure each claim of targets.toml against its peer, in the same run on the same machine.

Prints a table, and writes the list of results to `var/bench/latest.json`. Exit 1 when a claim does not hold or has no
result.
"""

import json
import operator
import sys
import tomllib
import traceback
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from nightloom.core.settings import get_settings

HERE = Path(__file__).parent
MODULES = {
    "clean": "bench_clean",
    "duplicates": "bench_duplicates",
    "index": "bench_index",
    "prepare": "bench_prepare",
    "snapshot": "bench_snapshots",
    "training": "bench_training",
}
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {"<=": operator.le, ">=": operator.ge}


class Measurement(NamedTuple):
    """One figure and its peer's."""

    name: str
    value: float
    peer_value: float


def main(only: str) -> int:
    """Run the benchmarks whose name begins so."""
    folder = get_settings().var_dir / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    targets = {name: target for name, target in _read_targets().items() if name.startswith(only)}
    measured = {one.name: one for one in _measure(set(targets), folder)}
    results = [_judge(name, target, measured.get(name)) for name, target in targets.items()]
    (folder / "latest.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    for result in results:
        sys.stdout.write(_show(result) + "\n")
    return 0 if results and all(result["ok"] for result in results) else 1


def _read_targets() -> dict[str, dict[str, str]]:
    return tomllib.loads((HERE / "targets.toml").read_text(encoding="utf-8"))


def _measure(names: set[str], folder: Path) -> Iterator[Measurement]:
    for prefix, module in MODULES.items():
        wanted = {name for name in names if name.startswith(prefix)}
        if not wanted:
            continue
        try:
            yield from (Measurement(*figure) for figure in import_module(module).measure(wanted, folder))
        except Exception:  # of a peer's program, too: the other benchmarks are measured all the same
            traceback.print_exc()


def _judge(name: str, target: dict[str, str], measured: Measurement | None) -> dict[str, Any]:
    result: dict[str, Any] = {"name": name, "value": None, "unit": target["unit"], "peer": target["peer"]}
    result |= {"peer_value": None, "ratio": None, "target": target["target"], "ok": False}
    if measured is None:
        return result
    figures = {"value": measured.value, "ratio": measured.value / measured.peer_value}
    of, comparison, limit = target["target"].split()
    result |= {"value": measured.value, "peer_value": measured.peer_value, "ratio": figures["ratio"]}
    return result | {"ok": _COMPARISONS[comparison](figures[of], float(limit))}


def _show(result: dict[str, Any]) -> str:
    if result["value"] is None:
        return f"FAIL  {result['name']}: no result"
    figures = f"{result['value']:.4g} against {result['peer_value']:.4g} {result['unit']}, ratio {result['ratio']:.4f}"
    return f"{'ok  ' if result['ok'] else 'FAIL'}  {result['name']}: {figures} ({result['target']}; {result['peer']})"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
