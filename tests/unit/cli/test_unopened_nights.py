"""Every command that takes a night refuses one that was never opened or has not come, and writes nothing."""

from pathlib import Path

import pytest
from nightloom.core.nights import compute_cut
from nightloom.registry.database import Database
from nightloom.registry.nights import record_night
from nightloom.registry.refs import read_log_tail

from tests.factories.nights import RECIPE
from tests.unit.nightly.test_unopened_nights import dump

from .conftest import NIGHT, Command, PastNight

COMMANDS = {
    "predict": ("predict", "triage"),
    "report": ("report", "triage"),
    "night show": ("night", "show", "triage"),
    "night docs": ("night", "docs", "triage"),
    "quarantine list": ("quarantine", "list", "triage"),
    "quarantine show": ("quarantine", "show", "triage"),
    "quarantine release": ("quarantine", "release", "triage", "r3", "--reason", "x"),
    "blueprint compile": ("blueprint", "compile", "triage"),
    "blueprint plan": ("blueprint", "plan", "triage"),
}


@pytest.fixture
def _recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipe `triage` as a file."""
    monkeypatch.setenv("NIGHTLOOM_PROMPTS_DIR", str(tmp_path / "prompts"))
    (tmp_path / "prompts" / "triage").mkdir(parents=True)
    (tmp_path / "prompts" / "triage" / "1.yaml").write_text("messages: [{role: user, content: '{{ text }}'}]")
    (tmp_path / "recipes" / "triage.yaml").write_text(RECIPE, encoding="utf-8")


@pytest.mark.usefixtures("night", "_recipe")
@pytest.mark.parametrize("date", ["2027-12-31", "2026-11-01"], ids=["has not come", "was never opened"])
@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_command_refuses_an_unopened_night(
    command: Command, registry: Database, arguments: tuple[str, ...], date: str
) -> None:
    before = dump(registry)
    code, _, err = command(*arguments, "--night", date)
    assert (code, f"night {date} of triage was never opened" in err) == (2, True), err
    assert dump(registry) == before


def test_move_by_hand_names_a_prepared_night(command: Command, registry: Database, night: PastNight) -> None:
    night.promote("e" * 64, night.adapter.id, "f" * 64)
    # A night that failed and one that only nightwatch knows are later than the last prepared one.
    record_night(registry, compute_cut("triage", NIGHT.replace(day=24), "UTC"))
    record_night(registry, compute_cut("triage", NIGHT.replace(day=25), "UTC"), "nightwatch")
    assert command("model", "rollback", "triage", "--reason", "complaints")[0] == 0
    (*_, move) = read_log_tail(registry, "triage", "champion")
    assert (move.new, move.night, move.by_hand) == (night.adapter.id, NIGHT, True)
