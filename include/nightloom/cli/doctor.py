"""`nightloom doctor`: what is missing or wrong on this machine, and the command that fixes it."""

from dataclasses import asdict

import typer

from nightloom.cli.output import AsJson, show


def doctor(*, as_json: AsJson = False) -> None:
    """Check packages, GPUs, disk, store, registry, recipes, connections and Airflow. Exit 1 if a check fails."""
    from nightloom.cli.doctor_checks import run_checks

    results = run_checks()
    lines = []
    for result in results:
        lines.append(f"{'ok  ' if result.ok else 'FAIL'}  {result.name:12} {result.message}")
        if result.remedy:
            lines.append(f"{'':18} → {result.remedy}")
    failed = sum(not result.ok for result in results)
    lines.append(f"{failed} of {len(results)} checks failed" if failed else f"all {len(results)} checks passed")
    document = {"ok": not failed, "checks": [asdict(result) for result in results]}
    show(document, "\n".join(lines), as_json=as_json)
    raise typer.Exit(1 if failed else 0)
