"""Display: the progress of a night, for a terminal or a log file."""

import time
from typing import TYPE_CHECKING, Self

from rich.console import Console

from nightloom.embedded.airflow_api import TaskRun

if TYPE_CHECKING:
    from rich.status import Status

_LINE_EVERY_S = 15
_WORDS = {
    "running": ("started", "cyan"),
    "success": ("done", "green"),
    "failed": ("failed", "bold red"),
    "skipped": ("skipped", "yellow"),
    "upstream_failed": ("not run", "yellow"),
    "up_for_retry": ("will be retried", "yellow"),
    "awaiting_input": ("waiting for input", "bold magenta"),
}


class Display:
    """Listener for `follow_night` that prints the start, log lines and end of each task.

    A terminal shows the running task in a status line. Elsewhere, each event is a line.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._last_line, self._printed_at = "", time.monotonic()

    def on_task(self, task: TaskRun) -> None:
        """Print a line for a state that matters to people."""
        word, style = _WORDS.get(task.state, ("", ""))
        if not word:
            return
        if task.state == "running" and self._console.is_terminal:
            self._show(_name(task))
            return
        took = f"{task.duration_s:8.1f} s" if task.duration_s and task.state != "running" else ""
        self._hide()
        padded = f"{word:19}" if took else word
        self._console.print(f"  {_name(task):36}[{style}]{padded}[/]{took}")

    def on_line(self, task: TaskRun, line: str) -> None:
        """Show a task's last log line: at once on a terminal, every 15 seconds elsewhere."""
        if self._console.is_terminal:
            self._show(f"{_name(task)}  {line}")
        elif line != self._last_line and time.monotonic() - self._printed_at >= _LINE_EVERY_S:
            self._last_line, self._printed_at = line, time.monotonic()
            self._console.print(f"    {line}", markup=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._hide()

    def _show(self, text: str) -> None:
        plain = text[: max(20, self._console.width - 6)].replace("[", "\\[")
        if self._status is None:
            self._status = self._console.status(plain)
            self._status.start()
        else:
            self._status.update(plain)

    def _hide(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None


def _name(task: TaskRun) -> str:
    stage = task.dag_id.rpartition("__")[2]
    mapped = f" {task.label or task.map_index}" if task.map_index >= 0 else ""
    tried = f" (try {task.try_number})" if task.try_number > 1 else ""
    return f"{stage:9} {task.task_id}{mapped}{tried}"
