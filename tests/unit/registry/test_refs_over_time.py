"""One ref over random nights, verdicts, reruns and people: what must hold after every step."""

import shutil
import tempfile
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from nightloom.core.errors import ConflictError
from nightloom.registry.database import Database
from nightloom.registry.refs import move_ref, read_log_tail, read_ref, verify_log

FIRST = date(2026, 11, 1)


class Refs(RuleBasedStateMachine):
    """A model of the refs, compared with the registry."""

    template: Path  # a migrated, empty registry

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name) / "registry.db"
        shutil.copy(self.template, path)
        self.registry = Database(f"sqlite:///{path}")
        self.line: list[tuple[str, date]] = []
        self.tonight = FIRST

    @property
    def champion(self):
        return self.line[-1][0] if self.line else None

    def move(self, expected, value, night, cites=None):
        move_ref(
            self.registry,
            recipe="triage",
            name="champion",
            expected=expected,
            value=value,
            night=night,
            who="ada",
            why="a step",
            cites=cites,
        )

    @rule(nights=st.integers(1, 3))
    def nights_pass(self, nights):
        self.tonight += timedelta(days=nights)

    @rule()
    def tonights_verdict_moves_it(self):
        value = f"adapter {len(self.line)}"
        self.move(self.champion, value, self.tonight, cites=f"verdict on {value}")
        self.line.append((value, self.tonight))

    @rule()
    def last_verdict_is_acted_on_again(self):
        if self.line:
            value, night = self.line[-1]
            before = self.line[-2][0] if len(self.line) > 1 else None
            self.move(before, value, night, cites=f"verdict on {value}")

    @rule(days=st.integers(1, 5))
    def an_older_night_tries(self, days):
        if self.line and self.line[-1][1] > self.tonight - timedelta(days=days):
            with pytest.raises(ConflictError):
                self.move(self.champion, "older", self.tonight - timedelta(days=days))

    @rule(stale=st.integers(0, 5))
    def a_stale_decision_tries(self, stale):
        expected = self.line[stale][0] if stale < len(self.line) - 1 else "never there"
        with pytest.raises(ConflictError):
            self.move(expected, "stale", self.tonight)

    @invariant()
    def the_ref_has_the_last_value(self):
        assert read_ref(self.registry, "triage", "champion") == self.champion

    @invariant()
    def the_log_has_every_move_in_order(self):
        log = read_log_tail(self.registry)
        assert [(move.new, move.night) for move in log] == self.line
        assert [move.old for move in log] == [None, *(value for value, _ in self.line)][: len(log)]
        assert verify_log(self.registry) == len(log)

    @invariant()
    def nights_never_go_back(self):
        nights = [move.night for move in read_log_tail(self.registry)]
        assert nights == sorted(nights)

    def teardown(self):
        self.registry.close()
        self.folder.cleanup()


def test_refs_hold_over_time(registry, tmp_path):
    registry.close()
    machine = type("Refs", (Refs,), {"template": tmp_path / "registry.db"})
    run_state_machine_as_test(machine, settings=settings(max_examples=15, stateful_step_count=15))
