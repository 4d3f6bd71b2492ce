"""docs/architecture.md and README.md name packages, modules, functions, Dags and files that there are."""

import ast
import re
import runpy
from pathlib import Path

import nightloom
import pytest

PACKAGE = Path(nightloom.__file__).parent
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
FOLDERS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
LAYERS = runpy.run_path(str(ROOT / "tests" / "unit" / "test_layers.py"))["LAYERS"]
NAMES = sorted(set(re.findall(rf"(?<![\w/.])(?:{'|'.join(FOLDERS)})(?:\.\w+)+", PAGE)))


def first_line(package):
    return ast.get_docstring(ast.parse((PACKAGE / package / "__init__.py").read_text(encoding="utf-8")))


def defines(body, names):
    """Whether the first name is defined in a module or class, the second in it, and so on."""
    if not names:
        return True
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == names[0]:
            return defines(node.body, names[1:])
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == names[0] for target in targets):
            return len(names) == 1
    return False


def test_tables_hold_every_package_in_its_layer():
    listed = re.findall(r"^\| (\d+) \| `(\w+)` \| (.+) \|$", PAGE, re.MULTILINE)
    layers = [(str(n), package) for n, layer in enumerate(LAYERS, 1) for package in layer.split()]
    assert listed == [(number, package, first_line(package)) for number, package in layers]
    assert sorted(package for _, package, _ in listed) == FOLDERS


def test_walks_name_many_functions():
    assert len(NAMES) > 50


@pytest.mark.parametrize("name", NAMES)
def test_name_on_page_is_in_code(name):
    folder, names = PACKAGE, name.split(".")
    while (folder / names[0]).is_dir():
        folder /= names.pop(0)
    tree = ast.parse((folder / f"{names[0]}.py").read_text(encoding="utf-8"))
    assert defines(tree.body, names[1:])


def test_steps_in_drawing_are_steps():
    from nightloom.core.stages import STEPS

    drawing = PAGE.partition("## The way of a blueprint's id")[2].split("```")[1]
    steps = [step.name for stage in ("finetune", "predict") for step in STEPS[stage] if step.name != "list_workers"]
    assert set(re.findall(r"\b[a-z]+_[a-z]+\b", drawing)) == set(steps)


def test_files_on_page_are_there():
    files = re.findall(r"`(\w+/[\w/.]+)`", PAGE) + [f"docs/{link}" for link in re.findall(r"\]\((.+?)\)", PAGE)]
    assert [file for file in files if not (ROOT / file).exists()] == []
    assert len(files) > 2


def test_each_change_has_files_and_test():
    table = PAGE.partition("## Where do I change")[2].partition("\n## ")[0]
    changes = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("|")][2:]
    assert len(changes) >= 10
    for what, _, files, tests in changes:
        named = re.findall(r"`([\w/.]+)`", files)
        assert named, what
        assert [file for file in named if not (ROOT / file).exists()] == [], what
        copied = re.findall(r"`(tests/unit/[\w/]+\.py)`", tests)
        assert copied, what
        assert [file for file in copied if not (ROOT / file).is_file()] == [], what


def test_readme_names_every_package():
    tree = README.partition("include/nightloom/ ")[2].partition("tests/")[0]
    lines = [re.split(r" {4,}", line.strip())[0] for line in tree.splitlines()[1:]]
    assert sorted(package for line in lines for package in line.split()) == FOLDERS


def test_readme_draws_every_stage():
    from nightloom.core.stages import STAGES

    drawing = README.split("```")[1]
    assert re.findall(r"<recipe>__(\w+)", drawing) == list(STAGES)
    dags = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "dags").glob("*.py"))
    assets = set(re.findall(r"asset_of\(recipe, \"(\w+)\"\)", dags))
    assert set(re.findall(r"asset <recipe>/(\w+)", drawing)) == assets


def test_readme_links_to_files():
    links = re.findall(r"\]\(((?!https?:)[^)#]+)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []
    pictures = [link for link in links if link.endswith(".png")]
    assert pictures
    assert all((ROOT / picture).read_bytes().startswith(b"\x89PNG") for picture in pictures)
