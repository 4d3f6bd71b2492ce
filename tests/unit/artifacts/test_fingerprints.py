"""Fingerprints: a result's digest changes with the modules that decide it, and with no others."""

import ast
import shutil
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import nightloom
import pytest
from nightloom.artifacts import fingerprints
from nightloom.artifacts.fingerprints import ANSWERS, CURATION, PREDICTIONS, TRIAL, Fingerprint
from nightloom.core.digests import digest_sources

PACKAGE = Path(nightloom.__file__).parent
DECIDES_WEIGHTS = ("training/*.py", "rendering/*.py", "prompts/*.py", "base_models/loading.py")
DECIDES_NONE = ("trials/*.py", "processes/*.py", "engines/*.py", "registry/*.py", "base_models/hub.py")
DECIDES_NONE += ("base_models/starter.py",)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """Our sources, to be changed."""
    copy = tmp_path_factory.mktemp("sources") / "nightloom"
    shutil.copytree(PACKAGE, copy, ignore=lambda folder, names: [n for n in names if n == "__pycache__"])
    return copy


def list_modules(patterns):
    found = [path.relative_to(PACKAGE).as_posix() for one in patterns for path in sorted(PACKAGE.glob(one))]
    assert len(found) > len(patterns)
    return found


def change_constant(path):
    """Change the first constant that a module holds besides docstrings, or the docstring of one that holds none."""
    text = path.read_text(encoding="utf-8")
    documented = [node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Expr)]
    tree = ast.parse(text)
    strings = {(node.lineno, node.col_offset) for node in documented}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and (node.lineno, node.col_offset) not in strings:
            node.value = "another"
            break
    else:
        tree.body[0].value.value = "another"
    path.write_text(ast.unparse(tree), encoding="utf-8")


def has_moved(package, module, fingerprint=TRIAL):
    before = digest_sources(package, fingerprint.modules)
    kept = (package / module).read_text(encoding="utf-8")
    change_constant(package / module)
    after = digest_sources(package, fingerprint.modules)
    (package / module).write_text(kept, encoding="utf-8")
    return before != after


@pytest.mark.parametrize("module", list_modules(DECIDES_WEIGHTS))
def test_weights_follow_from(package, module):
    assert has_moved(package, module)


@pytest.mark.parametrize("module", list_modules(DECIDES_NONE))
def test_weights_do_not_follow_from(package, module):
    assert not has_moved(package, module)


@pytest.mark.parametrize(
    "module", list_modules(("rendering/*.py", "prompts/*.py", "engines/[!a_]*.py", "engines/adapters.py"))
)
def test_answers_follow_from(package, module):
    assert has_moved(package, module, ANSWERS)


@pytest.mark.parametrize("module", ["engines/answers.py", "evaluation/scoring.py", "prediction/answering.py"])
def test_answers_do_not_follow_from(package, module):
    assert not has_moved(package, module, ANSWERS)


@pytest.mark.parametrize(
    "module",
    list_modules(("scanners/*.py", "engines/[!a_]*.py", "prompts/*.py", "prediction/a*.py", "prediction/s*.py")),
)
def test_predictions_follow_from(package, module):
    assert has_moved(package, module, PREDICTIONS)


@pytest.mark.parametrize("module", ["engines/answers.py", "prediction/commit.py", "prediction/table.py"])
def test_predictions_do_not_follow_from(package, module):
    assert not has_moved(package, module, PREDICTIONS)


def list_imported_packages(pattern):
    """Return the distributions from which modules import, except what is ours or Python's own."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.glob(pattern)]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    names |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    tops = {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"nightloom"}
    known = packages_distributions()
    return {known[top][0].replace("_", "-") for top in tops}


@pytest.mark.parametrize("fingerprint", [CURATION, PREDICTIONS], ids=["curation", "predictions"])
def test_libraries_of_scanners_are_named(fingerprint):
    imported = list_imported_packages("scanners/*.py")
    assert {"ftfy", "phonenumbers"} <= imported
    assert imported <= set(fingerprint.libraries)


@pytest.mark.parametrize("name", [name for name, one in vars(fingerprints).items() if isinstance(one, Fingerprint)])
def test_fingerprint_names_exist(name):
    assert len(vars(fingerprints)[name].code()) == 64
