"""docs/recipes.md documents every field of the schema, with its default."""

import re
from pathlib import Path
from typing import Any

import pytest
from nightloom.core.manifests import Plain
from nightloom.core.settings import get_settings
from nightloom.recipes import limits as recipe_limits
from nightloom.recipes import preparation as recipe_preparation
from nightloom.recipes import schema as recipes
from nightloom.recipes import sources as recipe_sources
from nightloom.recipes import training as recipe_training
from nightloom.recipes.check import check_recipe
from pydantic import BaseModel
from pydantic.fields import FieldInfo

DOC = (Path(__file__).parents[3] / "docs" / "recipes.md").read_text(encoding="utf-8")

SECTIONS = {
    "The recipe": recipes.Recipe,
    "`task`": recipes.Task,
    "`task.columns`": recipes.Columns,
    "`task.answer.<field>`": recipes.AnswerField,
    "`prepare`": recipe_preparation.Prepare,
    "`prepare.normalise`": recipe_preparation.Normalise,
    "`prepare.limits`": recipe_limits.Limits,
    "`prepare.limits.volume` and `prepare.limits.new_rows`": recipe_limits.Volume,
    "`prepare.split`": recipe_preparation.Split,
    "`prepare.planted_rows`": recipe_preparation.PlantedRows,
    "A source: `kind: sql`": recipe_sources.SqlSource,
    "A source: `kind: files`": recipe_sources.FilesSource,
    "A source: `kind: delta`": recipe_sources.DeltaSource,
    "A source of another kind": recipe_sources.OtherSource,
    "`train`": recipe_training.Train,
    "`train.early_stopping`": recipe_training.EarlyStopping,
    "`train.trials`": recipe_training.Trials,
    "`train.trials.over.<setting>`: a range": recipe_training.Range,
    "`train.trials.pruning`": recipe_training.Pruning,
    "`train.budget`": recipe_training.Budget,
    "`evaluate`": recipes.Evaluate,
    "`evaluate.sets[]`": recipes.EvalSet,
    "`gate`": recipes.Gate,
    "`predict`": recipes.Predict,
    "`alerts`": recipes.Alerts,
}


def documented_fields(heading: str) -> dict[str, str]:
    section = re.split(r"^#+ ", DOC.partition(f"# {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    # Fields have three columns. Tables of two describe the values of a field.
    return dict(re.findall(r"^\| `(\w+)` \| (.+?) \| .+ \|$", section, re.MULTILINE))


def default_of(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default: Any = field.get_default(call_default_factory=True)
    if isinstance(default, BaseModel):
        return "as below"
    if default in (None, "", ()):
        return "none"
    return f"`{str(default).lower() if isinstance(default, bool) else str(default).removesuffix(':00')}`"


@pytest.mark.parametrize("heading", SECTIONS)
def test_section_has_every_field(heading: str) -> None:
    fields = SECTIONS[heading].model_fields
    assert documented_fields(heading) == {name: default_of(field) for name, field in fields.items()}, (
        f"write each field with its default in docs/recipes.md, under {heading}"
    )


def test_every_group_has_section() -> None:
    modules = (recipes, recipe_limits, recipe_preparation, recipe_sources, recipe_training)
    named = [value for module in modules for value in vars(module).values()]
    groups = {value for value in named if isinstance(value, type) and issubclass(value, Plain)}
    assert groups - {Plain} == set(SECTIONS.values())


def test_example_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "triage").mkdir()
    (tmp_path / "triage" / "1.yaml").touch()
    monkeypatch.setenv("NIGHTLOOM_PROMPTS_DIR", str(tmp_path))
    get_settings.cache_clear()
    example = re.findall(r"```yaml\n(.*?)```", DOC, re.DOTALL)[0]
    (tmp_path / "triage.yaml").write_text(example, encoding="utf-8")
    assert check_recipe(tmp_path / "triage.yaml") == []
    get_settings.cache_clear()
