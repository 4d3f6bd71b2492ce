from nightloom.registry.edges import Edge, list_edges

from .conftest import BASE, MONDAY, PROMPT, make_snapshot, make_trial


def test_parent_snapshot_is_in_provenance():
    snapshot = make_snapshot("triage", MONDAY, "rows", "f" * 64)
    assert list_edges(snapshot) == [Edge("snapshot", "f" * 64, "snapshot", snapshot.id, "provenance", "parent")]


def test_result_descends_from_trial():
    trial = make_trial("5" * 64, "a" * 64)
    assert list_edges(trial) == [
        Edge("base", BASE, "trial", trial.id, "key", "base"),
        Edge("snapshot", "5" * 64, "trial", trial.id, "key", "snapshot"),
        Edge("prompt", PROMPT, "trial", trial.id, "key", "task.prompt"),
        Edge("trial", trial.id, "adapter", "a" * 64, "result", "adapter"),
    ]
