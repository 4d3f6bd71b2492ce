"""Commands that show the results of a night."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from nightloom.artifacts.data import Snapshot
from nightloom.artifacts.models import Adapter, AdapterContent, AdapterProvenance
from nightloom.artifacts.rewriting import rewrite_blob
from nightloom.artifacts.training import Tokens
from nightloom.core.nights import compute_cut, utc_now
from nightloom.core.ownership import take_over_prefix
from nightloom.core.store import ObjectStore
from nightloom.registry.database import Database
from nightloom.registry.members import add_member
from nightloom.registry.nights import end_stage, record_night
from nightloom.registry.releases import list_releases

from .conftest import NIGHT, Command, PastNight

Ask = Callable[..., Any]


def test_night_shows_verdict_and_report(command: Command, night: PastNight, tmp_path: Path) -> None:
    code, out, err = command("night", "show", "triage")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "recipe    triage",
        "night     2026-11-23",
        "prepare   done: 2 rows kept of 3",
        "finetune  done: better than the baseline",
        "predict   done: 1 row: 1 succeeded",
        "report    done: report of night 2026-11-23",
        "verdict   BETTER: better than the baseline",
        f"page      {tmp_path}/reports/triage/2026-11-23.html",
    ]
    assert (tmp_path / "reports" / "triage" / "2026-11-23.html").read_text() == "<!doctype html><title>Night</title>"


def test_nights_are_listed_by_stage(command: Command, night: PastNight) -> None:
    code, out, _ = command("night", "list", "triage")
    assert (code, out.splitlines()[1].split()) == (0, ["2026-11-23", "done", "done", "done", "done"])


@pytest.mark.usefixtures("named")
def test_recipe_without_night_has_no_result(command: Command) -> None:
    code, _, err = command("night", "show", "triage")
    assert code == 2
    assert err.startswith("error: recipe 'triage' has no night yet; `nightloom run triage` runs one")


def test_snapshots_are_listed(ask: Ask, night: PastNight) -> None:
    splits = {"test": 1, "train": 1}
    expected = {"id": night.snapshot.id, "recipe": "triage", "night": "2026-11-23", "splits": splits}
    assert ask("snapshot", "list", "triage") == {"snapshots": [expected], "cut": False}


def test_snapshot_is_found_by_first_digits(ask: Ask, night: PastNight) -> None:
    document = ask("snapshot", "show", night.snapshot.id[:8])
    assert (document["id"], document["kind"]) == (night.snapshot.id, "snapshot")


def test_snapshot_shows_its_token_ids(ask: Ask, command: Command, night: PastNight, store: ObjectStore) -> None:
    key = Tokens.Key(
        snapshot=night.snapshot.id,
        tokenizer="a" * 64,
        template="b" * 64,
        prompt="c" * 64,
        output="json",
        field_order=("team",),
        code="",
        packages={},
    )
    result = Tokens.Result(frames=(), examples=2, tokens=30, learned_tokens=9, changed_answers=1)
    tokens = store.publish(Tokens(key=key, result=result))
    store.publish(Tokens(key=key.model_copy(update={"snapshot": "d" * 64}), result=result))
    counts = {"id": tokens.id, "examples": 2, "tokens": 30, "learned_tokens": 9, "changed_answers": 1}
    assert ask("snapshot", "show", night.snapshot.id)["tokens"] == [counts]
    _, out, _ = command("snapshot", "show", night.snapshot.id)
    assert out.splitlines()[-1].split(maxsplit=1) == ["tokens", f"{tokens.id[:12]}: 30 in 2 examples, 9 learned"]


def test_unknown_digits_are_refused(command: Command, night: PastNight) -> None:
    code, _, err = command("snapshot", "show", "zz")
    message = "no snapshot begins with 'zz'; `nightloom snapshot list` lists them"
    assert (code, err) == (2, f"error: {message}\n")


def test_unchanged_snapshot_is_verified(command: Command, night: PastNight) -> None:
    assert command("snapshot", "verify", night.snapshot.id) == (
        0,
        f"snapshot {night.snapshot.id} is unchanged\n",
        "",
    )


def test_damaged_snapshot_fails(command: Command, night: PastNight, s3: Any) -> None:
    blob = night.snapshot.provenance.files[0].sha256
    s3.objects[f"prefix/objects/sha256/{blob[:2]}/{blob[2:]}"] = b"damaged"
    code, out, _ = command("snapshot", "verify", night.snapshot.id)
    assert (code, out) == (1, f"blob {blob} is damaged in the store; restore it from a backup\n")


def test_quarantine_is_counted_by_rule(ask: Ask, night: PastNight) -> None:
    document = ask("quarantine", "list", "triage")
    assert document == {
        "recipe": "triage",
        "night": "2026-11-23",
        "rules": [{"rule": "too_long", "rows": 1, "released": 0}],
    }


def test_quarantine_of_quiet_nights_is_the_one_before(ask: Ask, night: PastNight, registry: Database) -> None:
    later = NIGHT + timedelta(days=1)
    record_night(registry, compute_cut("triage", later, "UTC"))
    end_stage(registry, "triage", later, "prepare", "nothing_new", "the source has no new rows", None)
    assert ask("quarantine", "list", "triage")["night"] == str(NIGHT)
    assert ask("quarantine", "show", "triage")["rows"] == 1
    assert ask("quarantine", "release", "triage", "r3", "--reason", "it is valid")["night"] == str(NIGHT)


@pytest.mark.parametrize(
    "arguments",
    [
        ("quarantine", "release", "triage", "r3"),
        ("row", "erase", "triage", "r3", "--yes"),
        ("model", "rollback", "triage"),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_blank_reason_is_refused(command: Command, night: PastNight, arguments: tuple[str, ...]) -> None:
    code, _, err = command(*arguments, "--reason", " ")
    assert code == 2
    assert "it is blank; write why" in err


def test_quarantined_rows_show_reason_without_text(ask: Ask, night: PastNight) -> None:
    document = ask("quarantine", "show", "triage", "--rule", "too_long")
    row = {"row_id": "r3", "version": "v1", "rule": "too_long", "measured": "2001", "threshold": "2000"}
    assert document["shown"] == [row]


def test_rule_that_refused_no_row_is_reported(command: Command, night: PastNight) -> None:
    code, _, err = command("quarantine", "show", "triage", "--rule", "too_longg")
    assert (code, "quarantined no row by 'too_longg'; its rules: too_long" in err) == (2, True)


def test_quarantined_rows_show_text_and_answer(ask: Ask, night: PastNight) -> None:
    (row,) = ask("quarantine", "show", "triage", "--text")["shown"]
    assert (row["text"], row["answer"]) == ("a long text\x1b[2J", '{"team":"cards"}')


def test_released_row_is_counted(ask: Ask, night: PastNight) -> None:
    for reason in ("it is a log, and short enough", "again"):
        (released,) = ask("quarantine", "release", "triage", "r3", "--reason", reason)["released"]
        assert (released["row_id"], released["rule"], released["from_night"]) == ("r3", "too_long", "2026-11-24")
    assert ask("quarantine", "list", "triage")["rules"] == [{"rule": "too_long", "rows": 1, "released": 1}]


def test_accepted_row_cannot_be_released(command: Command, night: PastNight) -> None:
    code, _, err = command("quarantine", "release", "triage", "r33", "--reason", "it is valid")
    assert (code, "row 'r33' was not refused or repaired in night 2026-11-23; did you mean r3?" in err) == (2, True)


def test_control_characters_do_not_reach_terminal(command: Command, night: PastNight) -> None:
    code, out, _ = command("quarantine", "show", "triage", "--text")
    assert code == 0
    assert "a long text\ufffd[2J" in out


def test_unprepared_night_shows_the_reason(command: Command, registry: Database) -> None:
    record_night(registry, compute_cut("triage", NIGHT, "UTC"))
    end_stage(registry, "triage", NIGHT, "prepare", "failed", "the source is down")
    code, _, err = command("quarantine", "list", "triage")
    assert code == 2
    assert "night 2026-11-23 of triage has no preparation: the source is down" in err


def test_row_has_a_history(command: Command, night: PastNight) -> None:
    code, out, _ = command("row", "show", "triage", "r1")
    assert code == 0
    event = ["2026-11-23", "prepare", "done", "repaired", "pii", "1", "0", "-", "redact_pii", "c1", "train"]
    assert [out.splitlines()[1].split(), *out.splitlines()[2:]] == [event, f"used to train adapter {night.adapter.id}"]


def test_row_history_shows_decisions(ask: Ask, night: PastNight) -> None:
    ask("quarantine", "release", "triage", "r3", "--reason", "it is valid")
    (released,) = ask("row", "show", "triage", "r3")["decisions"]
    assert (released["outcome"], released["rule"], released["night"]) == ("released", "too_long", "2026-11-24")
    ask("row", "erase", "triage", "r3", "--reason", "she asked for it", "--yes")
    (erased,) = ask("row", "show", "triage", "r3")["decisions"]
    assert (erased["outcome"], erased["why"]) == ("erased", "she asked for it")


def test_erased_row_keeps_its_adapters(ask: Ask, night: PastNight) -> None:
    ask("row", "erase", "triage", "r1", "--reason", "she asked for it", "--yes")
    assert ask("row", "show", "triage", "r1")["adapters"] == [night.adapter.id]


def test_predicted_row_has_a_history(ask: Ask, night: PastNight) -> None:
    (event,) = ask("row", "show", "triage", "r9", "--night", "2026-11-23")["history"]
    assert (event["stage"], event["outcome"], event["prediction"]) == ("predict", "succeeded", "batch_req_1")


def test_row_is_erased(ask: Ask, command: Command, night: PastNight) -> None:
    erased = ask("row", "erase", "triage", "r1", "--reason", "she asked for it", "--yes")
    assert (erased["recipes"], erased["blobs"]) == (["triage"], {"examples": 1})
    assert erased["adapters"] == [night.adapter.id]
    code, out, _ = command("snapshot", "verify", night.snapshot.id)
    assert (code, out) == (0, f"snapshot {night.snapshot.id} is unchanged; 1 row erased\n")


def test_erasing_refused_row_erases_its_release(ask: Ask, night: PastNight, registry: Database) -> None:
    ask("quarantine", "release", "triage", "r3", "--reason", "it is valid")
    assert ask("row", "erase", "triage", "r3", "--reason", "she asked for it", "--yes")["blobs"] == {"quarantine": 1}
    assert ask("quarantine", "show", "triage")["shown"] == []
    assert list_releases(registry, "triage") == []


@pytest.mark.usefixtures("night")
def test_erasing_asks_first(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("typer.confirm", lambda *_, **__: (_ for _ in ()).throw(typer.Abort))
    assert command("row", "erase", "triage", "r1", "--reason", "she asked for it")[0] == 130
    code, _, err = command("row", "erase", "triage", "r1", "--reason", "she asked for it", "--json")
    assert (code, "add --yes" in err) == (2, True)


@pytest.mark.usefixtures("night")
def test_unknown_row_cannot_be_erased(command: Command) -> None:
    code, _, err = command("row", "erase", "triage", "r7", "--reason", "she asked for it", "--yes")
    assert (code, "no night of triage has a row 'r7'; check its key" in err) == (2, True)


def test_garbage_is_counted_by_action(ask: Ask, night: PastNight, store: ObjectStore, s3: Any) -> None:
    store.put_blob(b"no one names me")
    s3.written_at = dict.fromkeys(s3.objects, utc_now() - timedelta(days=3))
    for arguments in (["--dry-run"], []):
        counts = ask("snapshot", "gc", *arguments)["counts"]
        assert {"action": "into trash", "reason": "unreferenced", "objects": 1, "bytes": 15} in counts


def test_foreign_store_is_collected_after_adoption(command: Command, night: PastNight, store: ObjectStore) -> None:
    take_over_prefix(store, "another")
    assert command("snapshot", "gc")[0] == 2
    assert command("registry", "adopt")[0] == 0
    assert command("snapshot", "gc")[0] == 0


def test_unknown_row_is_refused(command: Command, night: PastNight) -> None:
    message = "triage has no row 'r7' in any night; check its key"
    assert command("row", "show", "triage", "r7") == (2, "", f"error: {message}\n")


def test_champion_is_marked(command: Command, night: PastNight) -> None:
    _, out, _ = command("model", "list")
    columns = ["*", night.adapter.id[:12], "triage", "2026-11-23", "trained by", night.blueprint.id[:12], "-", "-", "-"]
    assert out.splitlines()[1].split() == " ".join(columns).split()


def test_model_shows_training_and_verdicts(ask: Ask, night: PastNight) -> None:
    document = ask("model", "show", night.adapter.id)
    assert document["training"]["final_loss"] == 0.25
    assert [verdict["finding"] for verdict in document["verdicts"]] == ["BETTER"]


def test_model_shows_training_sample(command: Command, ask: Ask, night: PastNight) -> None:
    code, out, _ = command("model", "show", night.adapter.id, "--sample")
    assert code == 0
    assert [line.split(maxsplit=2) for line in out.splitlines()] == [
        ["TOKENS", "TEXT"],
        ["context", "2", '"the invoice\\n"'],
        ["learned", "1", '"billing"'],
    ]
    assert ask("model", "show", night.adapter.id, "--sample")[2]["learned"] is True


def test_sample_of_erased_row_is_empty(command: Command, night: PastNight, store: ObjectStore) -> None:
    assert night.trial.result.sample
    rewrite_blob(store, night.trial.result.sample, "labels", ["T1"])
    assert command("model", "show", night.adapter.id, "--sample")[1] == "the row of the sample was erased\n"


def test_log_shows_who_moved_what(ask: Ask, night: PastNight) -> None:
    (move,) = ask("model", "log", "triage")["moves"]
    assert (move["name"], move["new"], move["who"]) == ("champion", night.adapter.id, "scheduler")


def test_rollback_restores_the_champion_before(command: Command, night: PastNight, store: ObjectStore) -> None:
    second = Adapter(
        content=AdapterContent(base="a" * 64, method="lora", files=()),
        provenance=AdapterProvenance(blueprint=night.blueprint.id, trial=0),
    )
    night.promote(night.keep(second).id, night.adapter.id, "f" * 64)
    code, out, err = command("model", "rollback", "triage", "--reason", "answers in French")
    message = f"champion of triage is {night.adapter.id[:12]} again, not {second.id[:12]}"
    assert (code, out, err) == (0, f"{message}\n", "")


def test_first_champion_cannot_be_rolled_back(command: Command, night: PastNight) -> None:
    code, _, err = command("model", "rollback", "triage", "--reason", "why not")
    assert code == 2
    assert "triage has no previous champion to roll back to" in err


def test_copied_recipe_has_same_model(ask: Callable[..., Any], night: PastNight, registry: Database) -> None:
    add_member(registry, "squad", NIGHT, "adapter", night.adapter.id)
    for recipe in ("triage", "squad"):
        assert [(one["id"], one["recipe"]) for one in ask("model", "list", recipe)["models"]] == [
            (night.adapter.id, recipe)
        ]


def test_cut_lists_say_so(ask: Ask, command: Command, night: PastNight, registry: Database) -> None:
    second = night.keep(
        Adapter(
            content=AdapterContent(base="a" * 64, method="lora", files=()),
            provenance=AdapterProvenance(blueprint=night.blueprint.id, trial=0),
        )
    )
    night.promote(second.id, night.adapter.id, "f" * 64)
    end_stage(registry, "triage", NIGHT - timedelta(days=1), "prepare", "refused", "no rows")
    for listing in (
        ["model", "list"],
        ["model", "log", "triage"],
        ["night", "list", "triage"],
        ["row", "show", "triage", "r1"],
    ):
        assert (ask(*listing)["cut"], ask(*listing, "--limit", "1")["cut"]) == (False, True)
        assert "--limit shows them" in command(*listing, "--limit", "1")[1]


def test_row_of_an_earlier_night_is_hinted_at(command: Command, night: PastNight, registry: Database) -> None:
    end_stage(registry, "triage", NIGHT + timedelta(days=1), "prepare", "nothing_new", "no rows")
    _, _, err = command("row", "show", "triage", "r7", "--limit", "1")
    assert (
        err == "error: triage has no row 'r7' in the last 1 nights; check its key, or search more nights with --limit\n"
    )


def test_cut_diff_says_so(ask: Ask, night: PastNight) -> None:
    content = night.snapshot.content.model_copy(update={"rows_root": "0" * 64, "splits": {}})
    empty = night.snapshot.provenance.model_copy(update={"files": ()})
    after = night.keep(Snapshot(content=content, provenance=empty))
    named = ("snapshot", "diff", night.snapshot.id, after.id)
    whole, cut = ask(*named), ask(*named, "--limit", "1")
    assert (len(whole["rows"]), whole["cut"], len(cut["rows"]), cut["cut"]) == (2, False, 1, True)


def test_cut_quarantine_says_so(ask: Ask, night: PastNight) -> None:
    assert ask("quarantine", "show", "triage", "--limit", "1")["cut"] is False
