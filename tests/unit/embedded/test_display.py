import io

import pytest
from nightloom.embedded.airflow_api import TaskRun
from nightloom.embedded.display import Display
from rich.console import Console


def task(state: str, **changes: object) -> TaskRun:
    values = {"map_index": -1, "try_number": 1, "duration_s": None, **changes}
    return TaskRun("r__finetune", "run", "train_trial", state=state, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (task("running"), "  finetune  train_trial               started\n"),
        (
            task("success", duration_s=61.04, map_index=0),
            "  finetune  train_trial 0             done                   61.0 s\n",
        ),
        (
            task("success", duration_s=61.04, map_index=0, label="trial 3"),
            "  finetune  train_trial trial 3       done                   61.0 s\n",
        ),
        (
            task("failed", try_number=2, duration_s=0.5),
            "  finetune  train_trial (try 2)       failed                  0.5 s\n",
        ),
        (task("queued"), ""),
    ],
    ids=["started", "mapped and done", "mapped with label", "second try failed", "not shown"],
)
def test_task_is_a_line(event: TaskRun, line: str) -> None:
    text = io.StringIO()

    with Display(Console(file=text, width=120)) as display:
        display.on_task(event)

    assert text.getvalue() == line


def test_log_line_is_not_markup() -> None:
    text = io.StringIO()

    with Display(Console(file=text, width=60, force_terminal=True)) as display:
        display.on_line(task("running"), "loss [0.1] [/b]")

    assert "loss [0.1] [/b]" in text.getvalue()
