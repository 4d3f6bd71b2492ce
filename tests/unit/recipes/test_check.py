"""All mistakes of a recipe are reported at once, with line and remedy."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nightloom.core.errors import RecipeError
from nightloom.core.settings import get_settings
from nightloom.recipes.check import check_recipe, format_mistakes, load_recipe, load_recipes
from nightloom.recipes.documents import Mistake
from nightloom.recipes.schema import Recipe
from nightloom.recipes.sources import SqlSource

GOLDEN = Path(__file__).parents[2] / "golden"

VALID = (GOLDEN / "triage.yaml").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "prompts" / "support_triage").mkdir(parents=True)
    (tmp_path / "prompts" / "support_triage" / "1.yaml").touch()
    for name in ("recipes", "prompts"):
        monkeypatch.setenv(f"NIGHTLOOM_{name.upper()}_DIR", str(tmp_path / name))
        (tmp_path / name).mkdir(exist_ok=True)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.fixture
def recipes_dir(tmp_path: Path) -> Path:
    return tmp_path / "recipes"


def check(directory: Path, text: str) -> list[Mistake]:
    path = directory / "triage.yaml"
    path.write_text(text, encoding="utf-8")
    return check_recipe(path)


def test_valid_recipe_has_no_mistakes(recipes_dir: Path) -> None:
    assert check(recipes_dir, VALID) == []


def test_ten_mistakes_are_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(GOLDEN)
    path = Path("ten_mistakes.yaml")
    mistakes = check_recipe(path)
    text = format_mistakes(path, mistakes)
    assert len(mistakes) == 10
    assert text + "\n" == (GOLDEN / "ten_mistakes.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "query",
    [
        "-- open tickets\nSELECT 1",
        "/* open\ntickets */ with t as (select 1) select * from t",
        "(SELECT 1) UNION (SELECT 2)",
    ],
    ids=["line", "block", "brackets"],
)
def test_select_may_follow_a_comment(query: str) -> None:
    assert SqlSource(kind="sql", connection="desk", query=query).query == query


@pytest.mark.parametrize("query", ["-- SELECT\nDELETE FROM t", "/* with */ DROP TABLE t", "", "-- SELECT 1"])
def test_comment_is_no_select(query: str) -> None:
    with pytest.raises(ValueError, match="the query must be a SELECT"):
        SqlSource(kind="sql", connection="desk", query=query)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(
            "owner: support",
            "owner: 5",
            (2, "owner", "5 is not text", "write text, in quotes if it looks like a number"),
            id="number-for-text",
        ),
        pytest.param(
            "owner: support",
            "owner:",
            (2, "owner", "the field has no value", "write text, in quotes"),
            id="empty",
        ),
        pytest.param(
            "06:30", "25:00", (3, "deadline", "'25:00' is not a time of day", "write hours and minutes"), id="time"
        ),
        pytest.param(
            "{column: reply}",
            "{colum: reply}",
            (8, "task.answer.reply.colum", "`colum` is not a field here", "write `column`; known: column, one_of"),
            id="typo-explains-the-missing-field",
        ),
        pytest.param(
            "reply: {",
            "Re-ply: {",
            (8, "task.answer.Re-ply", "`Re-ply` is not a valid field name", "write 2 to 40 lower-case letters"),
            id="field-name",
        ),
        pytest.param(
            "one_of: [billing, login]",
            "one_of: billing",
            (7, "task.answer.team.one_of", "'billing' is not a list", "write `[first, second]`"),
            id="word-for-list",
        ),
        pytest.param(
            "one_of: [billing, login]",
            'one_of: [billing, "billing\u00a0"]',
            (7, "task.answer.team.one_of", "'billing' is listed twice", "keep one"),
            id="equal-labels",
        ),
        pytest.param(
            "one_of: [billing, login]",
            "one_of: [billing, ' ']",
            (7, "task.answer.team.one_of", "a value is blank", "remove it"),
            id="blank-label",
        ),
        pytest.param(
            "    kind: sql\n    connection",
            "    connection",
            (
                12,
                "prepare.source.kind",
                "the field `kind` is missing",
                "add `kind: delta` or `kind: files` or `kind: sql`",
            ),
            id="kind-missing",
        ),
        pytest.param(
            "selection: 0.1",
            "selection: 0.85",
            (18, "prepare.split.test", "selection and test leave less than a tenth", "make them smaller"),
            id="split",
        ),
        pytest.param(
            "SELECT * FROM tickets\n",
            "DELETE FROM tickets\n",
            (15, "prepare.source.query", "the query must be a SELECT", "write `SELECT …`"),
            id="not-a-select",
        ),
        pytest.param(
            "train:\n",
            "train:\n  base:\n",
            (25, "train.base", "the field has no value", "or remove the line"),
            id="null",
        ),
        pytest.param(
            "  table: predictions",
            "  workers: 65",
            (28, "predict.workers", "65 is out of range", "write a whole number of at least 1 and at most 64"),
            id="range",
        ),
    ],
)
def test_mistake_has_line_field_and_remedy(
    recipes_dir: Path, old: str, new: str, expected: tuple[int, str, str, str]
) -> None:
    assert VALID.count(old) >= 1
    (mistake,) = check(recipes_dir, VALID.replace(old, new, 1))
    assert (mistake.line, mistake.where, mistake.problem[: len(expected[2])]) == expected[:3]
    assert expected[3] in mistake.remedy


@pytest.mark.parametrize(
    ("train", "where", "problem"),
    [
        ("seed: -1", "seed", "-1 is out of range"),
        ("budget: {}", "budget", "the budget sets no limit"),
        ("trials: {seeds: [4294967296]}", "trials.seeds[0]", "4294967296 is out of range"),
        ("trials: {pruning: {rungs: [0.5, 0.2]}}", "trials.pruning.rungs", "rungs must rise"),
        ("trials: {over: {lora.r: 8}}", "trials.over.lora.r", "8 is not a list"),
        ("trials: {over: {lora.r: {low: 8, high: 8, whole: true}}}", "trials.over.lora.r", "the range is empty"),
        ("trials: {search: random, over: {lora.r: {low: a, high: 8}}}", "trials.over.lora.r.low", "'a' is not a num"),
        ("trials: {over: {method: [half]}}", "trials.over", "`method` cannot be 'half'"),
        ("trials: {over: {early_stopping.every: [2]}}", "trials.over", "`early_stopping.every` cannot be 2"),
    ],
)
def test_unplannable_training_is_located(recipes_dir: Path, train: str, where: str, problem: str) -> None:
    (mistake,) = check(recipes_dir, VALID.replace("train:\n", f"train:\n  {train}\n", 1))
    assert (mistake.where, mistake.problem[: len(problem)]) == (f"train.{where}", problem)
    assert mistake.remedy.startswith("write ")


def test_fields_of_wrong_kind_are_checked(recipes_dir: Path) -> None:
    text = VALID.replace("kind: files, path:", "kind: cvs, pth:")
    assert [mistake.where for mistake in check(recipes_dir, text)] == [
        "evaluate.sets[0].source.kind",
        "evaluate.sets[0].source.pth",
    ]


def test_invalid_items_are_no_empty_list(recipes_dir: Path) -> None:
    text = VALID.replace("    - name: clean\n", "    - nam: clean\n")
    assert [mistake.where for mistake in check(recipes_dir, text)] == ["evaluate.sets[0].nam"]


def test_empty_list_is_reported(recipes_dir: Path) -> None:
    start, end = VALID.index("  sets:"), VALID.index("train:")
    (mistake,) = check(recipes_dir, VALID[:start] + "  sets: []\n" + VALID[end:])
    assert (mistake.where, mistake.problem) == ("evaluate.sets", "the value is empty")


def test_file_without_fields_is_reported(recipes_dir: Path) -> None:
    (mistake,) = check(recipes_dir, "# nothing yet\n")
    assert (mistake.line, mistake.problem) == (1, "the file has no fields")


def test_missing_file_is_a_mistake(recipes_dir: Path) -> None:
    (mistake,) = check_recipe(recipes_dir / "nowhere.yaml")
    assert mistake.problem == "the file cannot be read: No such file or directory"


def test_recipe_is_loaded_by_name(recipes_dir: Path) -> None:
    (recipes_dir / "triage.yaml").write_text(VALID, encoding="utf-8")
    recipe = load_recipe("triage")
    assert recipe.train.settings == {"learning_rate": 0.004, "num_train_epochs": 3}
    assert recipe.deadline.isoformat() == "06:30:00"


def test_unknown_name_gets_the_closest(recipes_dir: Path) -> None:
    (recipes_dir / "triage.yaml").write_text(VALID, encoding="utf-8")
    with pytest.raises(RecipeError, match=r"no recipe is named 'triag' in .*; did you mean 'triage'\? Known: triage"):
        load_recipe("triag")


def test_name_is_not_a_path(recipes_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "triage.yaml").write_text(VALID, encoding="utf-8")
    with pytest.raises(RecipeError, match=r"no recipe is named '\.\./triage'"):
        load_recipe("../triage")


def test_loading_broken_recipe_lists_mistakes(recipes_dir: Path) -> None:
    text = VALID.replace("owner:", "ownr:").replace("06:30", "late")
    (recipes_dir / "triage.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match=r"(?s)has mistakes.*triage.yaml:2:1: ownr.*triage.yaml:3:11: deadline"):
        load_recipe("triage")


def test_broken_recipes_are_listed_separately(recipes_dir: Path) -> None:
    (recipes_dir / "triage.yaml").write_text(VALID, encoding="utf-8")
    (recipes_dir / "other.yaml").write_text(VALID, encoding="utf-8")
    (recipes_dir / "third.yml").write_text(VALID.replace("name: triage", "name: third"), encoding="utf-8")
    valid, broken = load_recipes()
    assert list(valid) == ["triage"]
    assert {Path(path).name: [m.problem for m in mistakes] for path, mistakes in broken.items()} == {
        "other.yaml": ["'triage' is not the name of the file"],
        "third.yml": ["the file name ends in '.yml'"],
    }


_lines = VALID.splitlines(keepends=True)
_snippets = st.sampled_from(
    [
        "",
        ":",
        "[",
        "{",
        "'",
        "- ",
        "kind: files",
        "null",
        "&a ",
        "*a",
        "<<: *a",
        "!!set ",
        ".nan",
        "\t",
        "\x00",
        "é",
        "1e400",
    ]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=st.lists(st.tuples(st.integers(0, len(VALID)), st.integers(0, 30), _snippets), min_size=1, max_size=4),
    drop=st.sets(st.integers(0, len(_lines) - 1), max_size=2),
)
def test_mutated_recipe_gives_mistakes_or_recipe(
    recipes_dir: Path, edits: list[tuple[int, int, str]], drop: set[int]
) -> None:
    text = "".join(line for number, line in enumerate(_lines) if number not in drop)
    for start, length, snippet in edits:
        text = text[:start] + snippet + text[start + length :]
    (recipes_dir / "triage.yaml").write_text(text, encoding="utf-8")
    valid, broken = load_recipes(recipes_dir)
    assert len(valid) + len(broken) == 1
    assert all(isinstance(recipe, Recipe) for recipe in valid.values())
    assert all(1 <= m.line <= text.count("\n") + 2 for mistakes in broken.values() for m in mistakes)


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=_values, number=st.integers(0, 60))
def test_any_value_gives_mistakes_or_recipe(recipes_dir: Path, value: object, number: int) -> None:
    import yaml

    document = yaml.safe_load(VALID)
    fields = [(document, key) for key in document]
    for group, key in fields:
        inner = group[key]
        keys = inner if isinstance(inner, dict) else range(len(inner)) if isinstance(inner, list) else ()
        fields += [(inner, key) for key in keys]
    group, key = fields[number % len(fields)]
    group[key] = value
    (recipes_dir / "triage.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    valid, broken = load_recipes(recipes_dir)
    assert len(valid) + len(broken) == 1


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        pytest.param("{key: id}", ("task.columns.text", "the field `text` is missing"), id="neither"),
        pytest.param("{txt: body}", ("task.columns.txt", "`txt` is not a field here"), id="typo"),
        pytest.param("{text: body, chat: turns}", ("task.columns.text", "`text` and `chat` are both set"), id="both"),
    ],
)
def test_columns_have_text_or_chat(recipes_dir: Path, columns: str, expected: tuple[str, str]) -> None:
    text = VALID.replace("{key: id, updated_at: updated_at, text: body}", columns)
    text = text.replace("  primary: team", "  output: text\n  primary: reply") if "chat" in columns else text
    mistakes = [mistake for mistake in check(recipes_dir, text) if mistake.where.startswith("task.columns")]
    assert [(mistake.where, mistake.problem) for mistake in mistakes] == [expected]
