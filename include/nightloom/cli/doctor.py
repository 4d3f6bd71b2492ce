"""`nightloom doctor`: what is missing or wrong on this machine, and the command that mends it."""

from dataclasses import asdict

import typer

from nightloom.cli.output import AsJson, show


def doctor(*, as_json: AsJson = False) -> None:
    """Check packages, store, registry, recipes, connections, disk and Airflow. Exit 1 when something is wrong."""
    from nightloom.cli.doctor_checks import examine

    findings = examine()
    lines = []
    for finding in findings:
        lines.append(f"{'ok ' if finding.ok else 'BAD'}  {finding.name:12} {finding.sentence}")
        if finding.remedy:
            lines.append(f"{'':17} → {finding.remedy}")
    wrong = sum(not finding.ok for finding in findings)
    lines.append(f"{wrong} of {len(findings)} checks found something wrong" if wrong else "all is well")
    document = {"sound": not wrong, "findings": [asdict(finding) for finding in findings]}
    show(document, "\n".join(lines), as_json=as_json)
    raise typer.Exit(1 if wrong else 0)
