"""Extensions: the example source of docs/recipes.md, installed as a package."""

import re
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from nightloom.artifacts.reading import read_records
from nightloom.core import extensions
from nightloom.core.errors import InputError, SchemaError, SourceError
from nightloom.core.nights import NightCut
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore
from nightloom.recipes.check import check_recipe
from nightloom.recipes.schema import AnswerField, Columns
from nightloom.recipes.sources import OtherSource
from nightloom.sources.extract import extract_records
from nightloom.sources.tables import read_table

ROOT = Path(__file__).parents[3]
DOC = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
NIGHT = NightCut("triage", date(2026, 11, 23), datetime(2026, 11, 22, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC))
# A part that the example leaves to its reader: two pages; the second holds a row of tomorrow.
FETCH_PAGES = """
def fetch_pages(url, since):
    assert (url, since[:10]) in (("https://desk", "2026-11-21"), ("https://desk", ""))
    yield [{"id": 1, "at": "2026-11-22", "body": "hello"}]
    yield [{"id": 2, "at": "2026-11-22", "body": None}, {"id": 3, "at": "2026-11-23", "body": "late"}]
"""
HELPDESK = OtherSource(kind="helpdesk", options={"url": "https://desk"})

Install = Callable[[str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a package with this source as the documentation's package."""

    def write(source: str) -> None:
        (group, line) = re.findall(r'\[project\.entry-points\."(nightloom\.sources)"\]\n(.*) =', DOC)[0]
        target = re.findall(rf'{line} = "(.*)"', DOC)[0]
        (tmp_path / f"{target.partition(':')[0]}.py").write_text(source, encoding="utf-8")
        (tmp_path / "helpdesk-1.dist-info").mkdir()
        (tmp_path / "helpdesk-1.dist-info" / "METADATA").write_text("Name: helpdesk\nVersion: 1\n")
        (tmp_path / "helpdesk-1.dist-info" / "entry_points.txt").write_text(f"[{group}]\n{line} = {target}\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        extensions._find.cache_clear()

    yield write
    extensions._find.cache_clear()
    sys.modules.pop("helpdesk_nightloom", None)


@pytest.fixture
def helpdesk(install: Install) -> None:
    """The documentation's example, installed."""
    install(re.findall(r"```python\n(def read_tickets.*?)```", DOC, re.DOTALL)[0] + FETCH_PAGES)


@pytest.mark.usefixtures("helpdesk")
def test_example_gives_rows_as_text() -> None:
    assert read_table(HELPDESK, ["body", "id"], None, 1).rows() == [("hello", "1"), (None, "2"), ("late", "3")]


@pytest.mark.usefixtures("helpdesk")
def test_rows_are_cut_to_the_night(store: ObjectStore) -> None:
    columns, answer = Columns(key="id", updated_at="at", text="body"), {"team": AnswerField(column="team")}
    records = extract_records(store, HELPDESK, columns, answer, night=NIGHT, window_days=2)
    assert read_records(store, records.id)["row_id"].to_list() == ["1", "2"]


@pytest.mark.usefixtures("helpdesk")
def test_recipe_names_the_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(tmp_path, monkeypatch, "helpdesk") == []


@pytest.mark.usefixtures("helpdesk")
def test_unknown_kind_lists_known_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (remedy,) = check(tmp_path, monkeypatch, "helpdsk")
    assert remedy == "write `helpdesk`; known: delta, files, helpdesk, sql"


def check(folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> list[str]:
    (folder / "support_triage").mkdir()
    (folder / "support_triage" / "1.yaml").touch()
    monkeypatch.setenv("NIGHTLOOM_PROMPTS_DIR", str(folder))
    get_settings.cache_clear()
    recipe = (ROOT / "tests" / "golden" / "triage.yaml").read_text(encoding="utf-8")
    old = '{kind: files, path: "{data}/clean.csv"}'
    assert old in recipe
    (folder / "triage.yaml").write_text(recipe.replace(old, f"{{kind: {kind}, options: {{url: x}}}}"))
    mistakes = check_recipe(folder / "triage.yaml")
    get_settings.cache_clear()
    return [mistake.remedy for mistake in mistakes if mistake.where.endswith("kind")]


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        ("raise KeyError('my card')", SourceError, "source of kind 'helpdesk' failed with KeyError; check"),
        ("return [[['a']]]", SchemaError, r"source of kind 'helpdesk' returns values that cannot be read"),
        (
            "import pyarrow; return [pyarrow.record_batch({'id': [1]})]",
            SchemaError,
            r"source of kind 'helpdesk' returns values that cannot be read \(KeyError\)",
        ),
    ],
    ids=["it fails", "too few values", "no column"],
)
def test_faults_are_reported_without_rows(install: Install, body: str, error: type[Exception], message: str) -> None:
    install(f"def read_tickets(source, columns, cut):\n    {body}\n")
    with pytest.raises(error, match=message):
        read_table(HELPDESK, ["body", "id"], None, 1)


def test_package_failing_to_import_is_named(install: Install) -> None:
    install("import nothing_of_that_name")
    with pytest.raises(
        InputError, match=r"'helpdesk' in nightloom\.sources cannot be imported from helpdesk_nightloom"
    ):
        read_table(HELPDESK, ["body"], None, 1)


def test_missing_package_is_named() -> None:
    with pytest.raises(
        InputError, match=r"no installed package registers 'helpdesk' in nightloom\.sources; install it"
    ):
        read_table(HELPDESK, ["body"], None, 1)
