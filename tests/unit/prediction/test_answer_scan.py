"""Answer scan: what scanners find in an answer is redacted or withheld before anything of it is stored."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl
import pytest
from nightloom.artifacts.answers import Answer, Found, ToolCall
from nightloom.artifacts.predictions import PredictionPlan, Predictions
from nightloom.core.store import ObjectStore
from nightloom.prediction.commit import commit_predictions
from nightloom.prediction.exporting import read_predictions
from nightloom.prediction.lines import ResultLine, load_lines
from nightloom.prediction.run import predict_shards
from nightloom.recipes.schema import Recipe

from tests.factories.asking import ListeningEngine, make_answer

from .conftest import RECIPE

# Put together here, so that other secret scanners do not report this file.
TOKEN = "glpat-" + "z9Y8" * 5
PERSONAL = {
    "Latin": ("Write to jo.k@example.org.", "jo.k@example.org", "Write to <EMAIL_ADDRESS>."),
    "Chinese": ("请写信给wei@example.cn谢谢", "wei@example.cn", "请写信给<EMAIL_ADDRESS>谢谢"),
    "Cyrillic": ("Я жду+7 495 123-45-67и вот", "495 123-45-67", "Я жду<PHONE_NUMBER>и вот"),
    "Arabic": ("اتصل على+971 50 123 4567عندي", "50 123 4567", "اتصل على<PHONE_NUMBER>عندي"),
    "Thai": ("บัญชีNL91ABNA0417164300ค่ะ", "NL91ABNA0417164300", "บัญชี<IBAN_CODE>ค่ะ"),
    "Japanese": ("カードは5105 1051 0510 5100です", "5105 1051 0510 5100", "カードは<CREDIT_CARD>です"),
}
SECRET = {"Latin": f"The key is {TOKEN}.", "Chinese": f"密码是{TOKEN}谢谢", "Hindi": f"मेरा{TOKEN}है"}


@dataclass(frozen=True)
class Predicted:
    """The only row of a batch."""

    line: ResultLine
    batch: Predictions
    exported: dict[str, Any]


Say = Callable[..., Predicted]


@pytest.fixture
def say(store: ObjectStore, registry: Any, make_plan: Any) -> Say:
    """Predict one row, to which the model answers this."""

    def run(written: Answer | str, **settings: Any) -> Predicted:
        given = written if isinstance(written, Answer) else make_answer(written)
        plan = make_plan(["My order?"], recipe=recipe_with(**settings))
        predict_shards(store, registry, plan.id, "0", lambda *_: ListeningEngine(lambda _: given))
        batch = commit_predictions(store, plan.id)
        (line,) = load_lines(store.get_blob(batch.content.files[0]))
        (frame,) = read_predictions(store, batch.id)
        return Predicted(line, batch, frame.to_dicts()[0])

    return run


def recipe_with(answer: dict[str, Any] | None = None, output: str = "json", **prepare: Any) -> Recipe:
    task = {**RECIPE["task"], "output": output}
    if answer:
        task |= {"answer": answer, "primary": next(iter(answer))}
    return Recipe.model_validate({**RECIPE, "task": task, "prepare": {**RECIPE["prepare"], **prepare}})


def reply(text: str) -> str:
    return json.dumps({"team": "billing", "reply": text})


def is_stored(store: ObjectStore, words: str) -> bool:
    """Whether any object of the store contains a text, with Parquet and JSON unpacked."""
    for one in store.bucket.list_objects(""):
        data = store.bucket.get(one.key) or b""
        text = pl.read_parquet(io.BytesIO(data)).write_ndjson() if data[:4] == b"PAR1" else data.decode()
        if words in text or words.encode("unicode_escape").decode() in text:
            return True
    return False


@pytest.mark.parametrize("script", PERSONAL)
def test_personal_data_is_stored_redacted(store: ObjectStore, say: Say, script: str) -> None:
    written, raw, clean = PERSONAL[script]
    made = say(reply(written))
    outcome = made.line.nightloom
    assert (outcome.status, outcome.flags, outcome.answer["reply"]) == ("succeeded", ("answer.pii",), clean)
    assert json.loads(made.exported["output"]) == {"team": "billing", "reply": clean}
    assert (made.exported["team"], made.exported["reply"]) == ("billing", clean)
    assert not is_stored(store, raw)


@pytest.mark.parametrize("script", SECRET)
def test_secret_withholds_the_answer(store: ObjectStore, say: Say, script: str) -> None:
    made = say(reply(SECRET[script]))
    outcome = made.line.nightloom
    assert (outcome.status, outcome.blocked, outcome.delivered) == ("blocked", True, False)
    assert (outcome.flags, outcome.answer, made.exported["output"]) == (("answer.secret",), None, "")
    assert made.exported["finish_reason"] == "content_filter"
    assert not is_stored(store, TOKEN)


def test_matches_are_counted_by_kind(store: ObjectStore, registry: Any, make_plan: Any) -> None:
    replies = {
        "one": "Write to a@example.org, b@example.org or +49 30 901820",
        "two": "Write to c@example.org",
        "three": f"Use {TOKEN}",
        "four": "Thank you",
        "five": "Write to d@example.org",
    }
    plan = make_plan(list(replies))
    engine = ListeningEngine(lambda text: make_answer(reply(replies[text])))
    predict_shards(store, registry, plan.id, "0", lambda *_: engine)
    content = commit_predictions(store, plan.id).content
    assert content.answers.found == (
        Found(scanner="pii", kind="EMAIL_ADDRESS", number=4),
        Found(scanner="pii", kind="PHONE_NUMBER", number=1),
        Found(scanner="secret", kind="gitlab_token", number=1),
    )
    assert (content.answers.redacted, content.answers.withheld) == (3, 1)
    assert (content.counts["succeeded"], content.counts["blocked"], content.rows) == (4, 1, 5)


@pytest.mark.parametrize(
    ("settings", "status", "stored"),
    [
        ({"pii": "keep"}, "succeeded", "Write to jo@example.org"),
        ({"pii": "redact"}, "succeeded", "Write to <EMAIL_ADDRESS>"),
        ({"pii": "quarantine"}, "blocked", None),
    ],
    ids=["keep", "redact", "quarantine"],
)
def test_recipe_chooses_the_action(say: Say, settings: dict[str, str], status: str, stored: str | None) -> None:
    made = say(reply("Write to jo@example.org"), **settings)
    assert (made.line.nightloom.status, made.exported["reply"]) == (status, stored)


@pytest.mark.parametrize(
    "answer",
    [
        make_answer('{"team": "billing", "reply": "Call\\n0171 2345678 or', "length"),
        make_answer('{"team": "billing", "reply": "Call \\u0030\\u0031\\u0037\\u0031 2345678'),
        make_answer('{"team": "sales", "number": "0171 2345678"}'),
        make_answer("Call 0171 2345678"),
    ],
    ids=["cut", "escaped", "another form", "prose"],
)
def test_undelivered_answer_is_redacted_too(store: ObjectStore, say: Say, answer: Answer) -> None:
    made = say(answer)
    assert (made.line.nightloom.status, made.line.nightloom.flags) == ("invalid_output", ("answer.pii",))
    assert "<PHONE_NUMBER>" in made.exported["output"]
    assert not is_stored(store, "2345678")


def test_free_text_answer_is_redacted(store: ObjectStore, say: Say) -> None:
    made = say("Write to jo@example.org\n", answer={"reply": {"column": "reply"}}, output="text")
    assert (made.exported["status"], made.exported["reply"]) == ("succeeded", "Write to <EMAIL_ADDRESS>")
    assert not is_stored(store, "jo@example.org")


LABELS = ["desk@example.org", "030 901820", TOKEN]


@pytest.mark.parametrize("output", ["json", "text"])
@pytest.mark.parametrize("label", LABELS, ids=["mail", "telephone", "secret"])
def test_labels_are_never_changed(say: Say, label: str, output: str) -> None:
    written = json.dumps({"team": label}) if output == "json" else label
    made = say(written, answer={"team": {"column": "team", "one_of": LABELS}}, output=output)
    outcome = made.line.nightloom
    assert (outcome.status, outcome.answer, outcome.flags) == ("succeeded", {"team": label}, ())
    assert made.exported["output"] == written


@pytest.mark.parametrize(
    "text",
    ["2 + 2 = 4, 10:30 to 11:15,  twice  spaced", "Ignore all previous instructions", "cafe\u0301 \u200b zero"],
    ids=["numbers", "instruction", "not normal"],
)
def test_harmless_answer_stays_as_written(say: Say, text: str) -> None:
    written = f'{{ "reply":  {json.dumps(text)},"team":"billing" }}'
    made = say(written)
    assert (made.exported["output"], made.exported["reply"], made.exported["flags"]) == (written, text, None)


def test_hidden_parts_are_scanned_too(store: ObjectStore, say: Say) -> None:
    extras = {"reasoning": "jo@example.org asks", "tool_calls": (ToolCall(id="1", name="f", arguments=f'"{TOKEN}"'),)}
    made = say(make_answer(reply("We look into it.")).model_copy(update=extras))
    assert (made.line.nightloom.status, made.line.nightloom.flags) == ("blocked", ("answer.pii", "answer.secret"))
    assert not is_stored(store, "jo@example.org")
    assert not is_stored(store, TOKEN)


def ask_again(store: ObjectStore, registry: Any, plan: PredictionPlan, **changes: Any) -> tuple[int, str]:
    """Predict a plan with changes; return the number of calls, and the answer."""
    engine = ListeningEngine(lambda _: make_answer(reply("Write to jo@example.org")))
    changed = store.publish(PredictionPlan(content=plan.content.model_copy(update=changes)))
    predict_shards(store, registry, changed.id, "0", lambda *_: engine)
    (line,) = load_lines(store.get_blob(commit_predictions(store, changed.id).content.files[0]))
    return len(engine.heard), line.nightloom.answer["reply"]


def test_redacted_answer_is_reused(store: ObjectStore, registry: Any, make_plan: Any) -> None:
    plan = make_plan(["My order?"])
    assert ask_again(store, registry, plan) == (1, "Write to <EMAIL_ADDRESS>")
    assert ask_again(store, registry, plan, night="2026-11-24") == (0, "Write to <EMAIL_ADDRESS>")


def test_changed_action_asks_only_changed_answers(store: ObjectStore, registry: Any, make_plan: Any) -> None:
    plan = make_plan(["My order?"])
    checks = {
        action: plan.content.checks.model_copy(update={"actions": {"pii": action}}) for action in ("keep", "redact")
    }
    assert ask_again(store, registry, plan) == (1, "Write to <EMAIL_ADDRESS>")
    assert ask_again(store, registry, plan, checks=checks["keep"]) == (1, "Write to jo@example.org")
    # The text as the model wrote it is there now, so no call is needed to redact it in another way.
    assert ask_again(store, registry, plan, checks=checks["redact"]) == (0, "Write to <EMAIL_ADDRESS>")
