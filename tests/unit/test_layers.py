"""A package imports only from layers above its own, and packages of one layer never import each other."""

import ast
from pathlib import Path

import nightloom
import pytest

PACKAGE = Path(nightloom.__file__).parent
LAYERS = (
    # ground
    "core",
    "recipes",
    "artifacts",
    # shared by stages
    "registry statistics scanners prompts conversations",
    "rendering",
    "processes",
    "base_models",
    "engines",
    # stages
    "sources",
    "validation",
    "curation",
    "snapshots",
    "training",
    "trials",
    "evaluation",
    "promotion",
    "exchange",
    "prediction",
    "reports",
    # the night
    "blueprints",
    "nightly",
    # edges
    "orchestration console cli embedded examples",
)
RANKS = {package: rank for rank, layer in enumerate(LAYERS) for package in layer.split()}
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.glob("*/**/*.py"))


def imports(module):
    """Every name that a module imports, wherever in it, as dotted text."""
    for node in ast.walk(ast.parse((PACKAGE / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: write imports in full"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_packages(module):
    return {name.split(".")[1] for name in imports(module) if name.startswith("nightloom.")}


def test_there_are_modules_to_look_at():
    assert len(MODULES) > 50
    assert {module.parts[0] for module in MODULES} <= RANKS.keys()


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_imports_go_upwards_only(module):
    own = module.parts[0]
    assert {p for p in imported_packages(module) if p != own and RANKS[p] >= RANKS[own]} == set()


@pytest.mark.parametrize(
    ("library", "homes"),
    [("airflow", {"orchestration", "console"}), ("boto3", {"core", "embedded"}), ("botocore", {"core"})],
)
def test_a_library_is_known_in_its_place_only(library, homes):
    users = {m.parts[0] for m in MODULES for name in imports(m) if name.split(".")[0] == library}
    assert users <= homes
