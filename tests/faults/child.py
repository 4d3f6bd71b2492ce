"""Child of the fault tests: runs steps of a night in forks of itself, and injects faults into them.

It reads one line of JSON, a list of jobs that run at once, and answers with one line, the result of each. It forks
because importing takes longer than a night; nothing that starts threads runs before the fork.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import botocore.endpoint
import great_expectations  # noqa: F401  # as heavy as the rest together
import sqlalchemy as sa
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ReadTimeoutError
from botocore.httpsession import URLLib3Session
from nightloom.core.errors import NightloomError
from nightloom.core.nights import utc_now
from nightloom.nightly import prepare
from nightloom.registry.database import open_database
from nightloom.registry.store import open_store
from nightloom.snapshots.erase import erase_row
from nightloom.snapshots.garbage import collect_garbage, count_by_reason


def prepare_night(recipe: str, night: str) -> str:
    prepare.open_night(recipe, night)
    records = prepare.extract_records(recipe, night)
    curated = prepare.curate_records(recipe, night, str(records))
    return str(prepare.build_snapshot(recipe, night, str(curated)))


def collect(days: int) -> list[Any]:
    now = utc_now() + timedelta(days=days)
    return count_by_reason(collect_garbage(open_store(), open_database(), now=now))


def erase(row_id: str) -> dict[str, int]:
    return dict(erase_row(open_store(), open_database(), "triage", row_id, who="eva", why="she asked for it").blobs)


STEPS: dict[str, Callable[..., Any]] = {"prepare": prepare_night, "collect": collect, "erase": erase}


class Harm:
    """Does harm at the n-th of the calls that it counts: S3 operations, and commits of the registry.

    Args:
        kind: `kill` the process; answer with an HTTP status such as `503`; `timeout` before anything was done, `lost`
            after all was done.
        operations: Names of S3 operations; `commit` for the registry's.
        at: Which of them, counted from 1.
        lasting: All later ones too.
    """

    def __init__(self, kind: str, operations: list[str], at: int, *, lasting: bool = False) -> None:
        self.kind, self.at, self.lasting, self.seen = kind, at, lasting, 0
        for operation in operations:
            if operation == "commit":
                sa.event.listen(open_database()._engine, "commit", lambda _: self._count())
            else:
                open_store().bucket.client.meta.events.register(f"before-send.s3.{operation}", self._before_send)

    def _count(self) -> bool:
        self.seen += 1
        is_due = self.seen >= self.at if self.lasting else self.seen == self.at
        if is_due and self.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        return is_due

    def _before_send(self, request: Any, **_: Any) -> AWSResponse | None:
        if not self._count():
            return None
        if self.kind in ("timeout", "lost"):
            if self.kind == "lost":
                URLLib3Session().send(request)
            raise ReadTimeoutError(endpoint_url=request.url)
        return AWSResponse(request.url, int(self.kind), {}, _Body(b"<Error><Code>Injected</Code></Error>"))


class _Body:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def stream(self) -> Any:
        yield self._data

    def read(self) -> bytes:
        return self._data


def run(job: dict[str, Any]) -> dict[str, Any]:
    os.environ.update(job["settings"])
    harm = Harm(**job["harm"]) if job["harm"] else None
    try:
        answer = {"result": STEPS[job["step"]](**job["arguments"])}
    except NightloomError as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    return {**answer, "done": harm is None or harm.seen < harm.at}


def start(job: dict[str, Any]) -> tuple[int, int]:
    """Run a job in a fork, and give its process and the pipe that its answer comes from."""
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            os.write(writer, json.dumps(run(job)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    return process, reader


def main() -> None:
    # Waiting is not what is tested.
    botocore.endpoint.time = SimpleNamespace(sleep=lambda _: None)
    for line in sys.stdin:
        started = [start(job) for job in json.loads(line)]
        answers = []
        for process, reader in started:
            with os.fdopen(reader) as pipe:
                text = pipe.read()
            status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            answers.append({"killed": status == -signal.SIGKILL, **(json.loads(text) if text else {})})
        print(json.dumps(answers), flush=True)  # noqa: T201  # the answer


if __name__ == "__main__":
    sys.path.remove(str(Path(__file__).parent))
    main()
