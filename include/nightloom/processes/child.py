"""The child process of `processes.parent`: runs one function and writes the result to standard output."""

import contextlib
import importlib
import json
import logging
import os
import stat
import sys
import threading
import traceback
from typing import Any

from nightloom.core.errors import NightloomError


def main() -> int:
    """Run the function named by the first argument with the keyword arguments in the second."""
    # Libraries may print, which belongs to the log: standard output is for the result only.
    with os.fdopen(os.dup(1), "w") as answer, contextlib.redirect_stdout(sys.stderr):
        os.dup2(2, 1)
        # Of several processes that run a function together, one logs progress.
        level = logging.INFO if os.environ.get("RANK", "0") == "0" else logging.WARNING
        # Libraries log only what needs attention: at INFO, httpx reports every request, and alembic every connection.
        logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
        logging.getLogger("nightloom").setLevel(level)
        # Under another parent, such as torchrun in a batch system, standard input may be empty and end at once.
        if stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode):
            threading.Thread(target=_end_with_parent, daemon=True).start()
        document = run_function(sys.argv[1], json.loads(sys.argv[2]))
        answer.write(json.dumps(document) + "\n")
    return 0 if "result" in document else 1


def run_function(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Run a function in this process and return the message for the parent: its result or its error."""
    module, function = name.split(":")
    try:
        return {"result": getattr(importlib.import_module(f"nightloom.{module}"), function)(**arguments)}
    except NightloomError as error:
        return {"error": type(error).__name__, "message": str(error)}
    except Exception as error:  # the parent must get every error
        traceback.print_exc()
        return {"error": "ChildError", "message": f"{type(error).__name__}: {error}"}


def _end_with_parent() -> None:
    # An orphan would train on in parallel with the retry.
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
