"""Progress: the running step of a night and its log lines, on standard error."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape


@contextmanager
def following_steps() -> Iterator[Callable[[str, str], None]]:
    """Yield the function that shows each step as it begins. A terminal shows the running step with a spinner."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    began = time.monotonic()
    handler = _ConsoleHandler(console)
    logger = logging.getLogger("nightloom")
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False  # the root logger would print each line again
    with console.status("") as status:

        def on_step(stage: str, step: str) -> None:
            elapsed = time.monotonic() - began
            console.print(f"[dim]{elapsed:6.1f} s[/]  [bold]{stage:9}[/] {escape(step)}")
            status.update(f"{stage} · {escape(step)}")

        try:
            yield on_step
        finally:
            logger.removeHandler(handler)
            logger.level, logger.propagate = before


class _ConsoleHandler(logging.Handler):
    """Log handler that prints lines above the spinner."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(f"          {escape(record.getMessage())}", style="dim")
