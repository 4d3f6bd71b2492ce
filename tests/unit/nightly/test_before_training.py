"""Before training: what a recipe's base model, prompt and eval sets make impossible ends the prepare stage."""

import shutil
from pathlib import Path

import pytest
from nightloom.artifacts.data import Preparation
from nightloom.core.errors import InputError
from nightloom.core.nights import Stop, parse_night
from nightloom.core.store import ObjectStore
from nightloom.nightly import prepare
from nightloom.registry.database import open_database
from nightloom.registry.nights import read_outcome

RECIPE = """\
name: triage
owner: support
task:
  columns: {{key: id, text: body}}
  answer: {{team: {{column: team, one_of: [billing, shipping]}}}}
  primary: team
  prompt: triage/1
prepare: {{source: {{kind: files, path: "{folder}/rows.csv"}}}}
train: {{trainer: dummy, base: dummy}}
evaluate:
  sets: [{{name: gold, source: {{kind: files, path: "{folder}/gold.csv"}}, columns: {{text: body}}}}]
"""


@pytest.fixture
def begin(folder: Path):
    """Write the recipe, with texts replaced, and its sources; open a night and extract its records."""

    def run(**replaced: str) -> tuple[str, str]:
        text = RECIPE.format(folder=folder)
        for old, new in replaced.items():
            assert old in text
            text = text.replace(old, new)
        (folder / "recipes" / "triage.yaml").write_text(text, encoding="utf-8")
        rows = "".join(f"{n},the invoice {n} is wrong,billing\n" for n in range(8))
        (folder / "rows.csv").write_text(f"id,body,team\n{rows}", encoding="utf-8")
        night = prepare.open_night("triage")
        return night, str(prepare.extract_records("triage", night))

    return run


def write_gold(folder: Path, *lines: str) -> None:
    (folder / "gold.csv").write_text("\n".join(["body,team", *lines, ""]), encoding="utf-8")


def test_eval_set_of_foreign_answers_refuses_night(folder: Path, store: ObjectStore, begin) -> None:
    night, records = begin()
    write_gold(folder, "what do I owe,billing", "where is it,shipping", "who pays,BILLING", "a parcel,")
    assert isinstance(prepare.curate_records("triage", night, records), Stop)
    outcome = read_outcome(open_database(), "triage", parse_night(night), "prepare")
    assert outcome is not None
    assert (outcome.status, outcome.message) == (
        "refused",
        "eval set gold: 2 of 4 rows are items (refused: 1 invalid_answer, 1 missing_answer); correct the other rows, "
        "or raise evaluate.max_refused (0.1)",
    )
    assert store.load(Preparation, str(outcome.manifest)).content.eval_rows[0].refused["invalid_answer"] == 1


def test_class_without_item_is_named(folder: Path, begin, caplog: pytest.LogCaptureFixture) -> None:
    night, records = begin()
    write_gold(folder, "what do I owe,billing", "who pays,billing")
    prepare.build_snapshot("triage", night, str(prepare.curate_records("triage", night, records)))
    outcome = read_outcome(open_database(), "triage", parse_night(night), "prepare")
    assert outcome is not None
    assert outcome.message.endswith("; eval set gold: 2 of 2 rows are items; no item has team shipping")
    assert "eval set gold: 2 of 2 rows are items; no item has team shipping" in caplog.messages


@pytest.mark.torch
@pytest.mark.usefixtures("no_children")
@pytest.mark.parametrize(
    ("template", "replaced", "message"),
    [
        pytest.param(
            "{{ raise_exception('tool turns only') }}",
            {},
            "cannot be asked with prompt triage/1: .*tool turns only",
            id="template refuses the prompt",
        ),
        pytest.param(
            None,
            {"  prompt: triage/1": "  prompt: triage/1\n  chat_template_kwargs: {thinkin: true}"},
            "task.chat_template_kwargs.thinkin is not read by the chat template",
            id="argument that no one reads",
        ),
        pytest.param(
            None,
            {"prepare: {": "prepare: {token_budget: 65, "},
            "prepare.token_budget is 65, and base .* holds 64 tokens; write at most that, or remove it",
            id="budget beyond the context",
        ),
    ],
)
def test_base_model_that_cannot_be_asked_fails_prepare(
    folder: Path, begin, tiny_model: Path, template: str | None, replaced: dict[str, str], message: str
) -> None:
    base = shutil.copytree(tiny_model, folder / "model")
    if template:
        # An end token in it, so that the check of the base model alone accepts it.
        path = base / "chat_template.jinja"
        short = "{% if messages|length == 2 and messages[1].content == 'b' %}" + path.read_text() + "{% else %}"
        path.write_text(short + template + "{% endif %}", encoding="utf-8")
    night, records = begin(**{"base: dummy": f"base: {base}"}, **replaced)
    with pytest.raises(InputError, match=message):
        prepare.curate_records("triage", night, records)
