"""Rules of a recipe beyond its schema, on raw recipes of any shape."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nightloom.core.settings import get_settings
from nightloom.prediction.table import table_columns
from nightloom.recipes.rules import RULES, check_rules

FILE = Path("recipes/triage.yaml")
CUT = "SELECT * FROM t WHERE at < :cut_to"


def problems(recipe: dict[str, Any]) -> list[str]:
    return [problem.message for problem in check_rules(recipe, FILE)]


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "triage").mkdir()
    (tmp_path / "triage" / "1.yaml").touch()
    (tmp_path / "tickets.json").touch()
    monkeypatch.setenv("NIGHTLOOM_PROMPTS_DIR", str(tmp_path))
    monkeypatch.setenv("NIGHTLOOM_EXPECTATIONS_DIR", str(tmp_path))
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def test_name_differs_from_file() -> None:
    (problem,) = check_rules({"name": "tickets"}, FILE)
    assert (problem.message, problem.remedy) == ("'tickets' is not the name of the file", "write `name: triage`")


@pytest.mark.parametrize("line", ["0 1 * * *", "*/15 0-5 * * 1-5", "0 1 * * MON"])
def test_cron_expression_is_valid(line: str) -> None:
    assert problems({"schedule": line}) == []


@pytest.mark.parametrize("line", ["0 1 * *", "0 25 * * *", "@daily", "0 1 * * * *", "nightly", ""])
def test_invalid_cron_expression_is_refused(line: str) -> None:
    assert problems({"schedule": line}) == [f"{line!r} is not a cron expression of five fields"]


@pytest.mark.parametrize("deadline", ["07:00+02:00", "7", 7, 630.5, "late"])
def test_deadline_without_local_time_is_refused(deadline: object) -> None:
    assert problems({"deadline": deadline}) == [f"{str(deadline)!r} is not a time of day without time zone"]


@pytest.mark.usefixtures("folders")
def test_prompt_without_file_gets_the_closest() -> None:
    (problem,) = check_rules({"task": {"prompt": "triage/2"}}, FILE)
    assert problem.remedy == "write `triage/1`; known: triage/1"


@pytest.mark.usefixtures("folders")
def test_prompt_outside_folder_is_refused() -> None:
    assert len(problems({"task": {"prompt": "../triage/1"}})) == 1


@pytest.mark.usefixtures("folders")
def test_suite_without_file_gets_the_closest() -> None:
    (problem,) = check_rules({"prepare": {"suite": "tikets"}}, FILE)
    assert problem.remedy == "write `tickets`; known: tickets"


def test_scanner_without_package_is_refused() -> None:
    (problem,) = check_rules({"prepare": {"scanners": {"serials": "redact"}}}, FILE)
    assert problem.remedy == "install the package that adds it, or remove the line"


@pytest.mark.parametrize(("columns", "found"), [({"text": "body"}, 1), ({"updated_at": "at"}, 0)])
def test_freshness_needs_times(columns: dict[str, str], found: int) -> None:
    recipe = {"task": {"columns": columns}, "prepare": {"limits": {"freshness_hours": 24}}}
    assert problems(recipe) == ["no column has the time at which a row was written"] * found


def test_unknown_placeholder_gets_the_closest() -> None:
    query = f"{CUT} AND at >= :window_form"
    (problem,) = check_rules({"prepare": {"source": {"query": query}}}, FILE)
    assert problem.message == "the placeholder `:window_form` has no value"
    assert problem.remedy == (
        "write `:window_from`; known: :window_from, :cut_from, :cut_to; "
        r"write `\:window_form` if the colon belongs to the query"
    )


def test_kept_colon_is_no_placeholder() -> None:
    assert problems({"prepare": {"source": {"query": CUT + r""" AND tags = '{"vip"\:true}'"""}}}) == []


@pytest.mark.parametrize("query", ["SELECT * FROM t", "SELECT * FROM t -- until :cut_to", "SELECT 1 /* :cut_to */"])
def test_query_without_cut_is_refused(query: str) -> None:
    assert len(problems({"predict": {"source": {"query": query}}})) == 1


def test_cast_and_time_are_no_placeholders() -> None:
    assert problems({"prepare": {"source": {"query": f"{CUT} AND at::date > '2026-01-01 10:30'"}}}) == []


def test_eval_set_needs_no_cut() -> None:
    assert problems({"evaluate": {"sets": [{"source": {"query": "SELECT * FROM items"}}]}}) == []


def test_eval_set_has_no_cut() -> None:
    message = "`:cut_to` has no value, because an eval set belongs to no night"
    assert problems({"evaluate": {"sets": [{"source": {"query": CUT}}]}}) == [message]


def test_planted_rows_need_no_cut() -> None:
    assert problems({"prepare": {"planted_rows": {"source": {"query": "SELECT * FROM planted"}}}}) == []


def test_unknown_path_variable_is_refused() -> None:
    assert problems({"prepare": {"source": {"path": "{dat}/x.csv"}}}) == ["`{dat}` has no value"]


def test_relative_path_is_refused() -> None:
    (problem,) = check_rules({"prepare": {"source": {"path": "x.csv"}}}, FILE)
    assert problem.remedy == "write `{data}/x.csv`, or an absolute path"


@pytest.mark.parametrize("url", ["hf://datasets/desk/x.csv", "gs://desk/x", "abfss://a@b/x", "https://desk/x.csv"])
def test_unreadable_url_is_refused(url: str) -> None:
    (problem,) = check_rules({"prepare": {"source": {"path": url}}}, FILE)
    assert problem.message == f"a source cannot read `{url.partition(':')[0]}://`"
    assert problem.remedy == "copy the files to a folder, or to S3 and write `s3://bucket/…`"


def test_object_store_is_an_absolute_path() -> None:
    assert problems({"predict": {"source": {"path": "s3://desk/open/*.parquet"}}}) == []


def test_duplicate_eval_set_name_is_refused() -> None:
    sets = [{"name": "clean"}, {"name": "hard"}, {"name": "clean"}]
    (problem,) = check_rules({"evaluate": {"sets": sets}}, FILE)
    assert problem.path == ("evaluate", "sets", 2, "name")


def test_table_of_files_needs_a_connection() -> None:
    predict = {"source": {"kind": "files", "path": "{data}/x.csv"}, "table": "answers"}
    assert problems({"predict": predict}) == ["the table has no connection"]
    assert problems({"predict": {**predict, "connection": "tickets"}}) == []


@pytest.mark.parametrize("field", sorted(column.name for column in table_columns((), "answers")))
def test_answer_needs_a_column_of_its_own(field: str) -> None:
    recipe = {"task": {"answer": {field: {"column": "x"}, "team": {"column": "y"}}}}
    (problem,) = check_rules({**recipe, "predict": {"table": "answers"}}, FILE)
    assert problem.path == ("task", "answer", field)
    assert problem.message == f"every table of predictions has a column {field!r} of its own"
    assert problem.remedy == f"rename the field, such as `answer_{field}`"
    assert problems({**recipe, "predict": {}}) == []


def test_alert_without_recipient_is_refused() -> None:
    assert problems({"alerts": {"channel": "slack"}}) == ["alerts by slack have no recipient"]
    assert problems({"alerts": {"channel": "slack", "to": ["#models"]}}) == []


def test_second_slack_channel_is_refused() -> None:
    assert problems({"alerts": {"channel": "slack", "to": ["#models", "#nights"]}}) == [
        "alerts by slack go to one channel, not to 2"
    ]


_WORDS = ["task", "prompt", "prepare", "predict", "source", "query", "path", "evaluate", "sets", "name", "scanners"]
_json = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(_WORDS), inner, max_size=4),
    max_leaves=12,
)


@given(recipe=st.dictionaries(st.sampled_from([*_WORDS, "schedule", "deadline"]), _json, max_size=5))
def test_rules_accept_any_shape(recipe: dict[str, Any]) -> None:
    assert len(RULES) == 19
    problems(recipe)


CHAT = {"columns": {"chat": "messages"}, "answer": {"reply": {}}, "output": "text"}


def test_chat_needs_no_answer_column() -> None:
    assert problems({"task": CHAT, "evaluate": {"sets": [{"columns": {"chat": "messages"}}]}}) == []


def test_chat_needs_text_output() -> None:
    (problem,) = check_rules({"task": {**CHAT, "output": "json"}}, FILE)
    assert (problem.message, problem.remedy) == ("a conversation needs plain text as output", "write `output: text`")


def test_chat_refuses_an_answer_column() -> None:
    (problem,) = check_rules({"task": {**CHAT, "answer": {"reply": {"column": "reply"}}}}, FILE)
    assert (problem.path, problem.remedy) == (("task", "answer", "reply", "column"), "remove `column`")


@pytest.mark.parametrize(
    "recipe",
    [
        {"task": {"columns": {"text": "body"}, "answer": {"team": {}}}},
        {"task": CHAT, "evaluate": {"sets": [{"columns": {"text": "body"}}]}},
    ],
    ids=["task", "eval set"],
)
def test_text_needs_an_answer_column(recipe: dict[str, Any]) -> None:
    assert problems(recipe) == ["the field `column` is missing"]
