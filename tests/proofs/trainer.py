"""Child of the kill proofs: trains in forks of itself, which are killed.

It prints when it is ready, reads one line of JSON per training and answers with two lines: the process id, and the
result, empty if the training was killed. It forks because importing takes longer than the training; nothing that starts
threads runs before the fork.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import accelerate  # noqa: F401  # imported before the fork
import boto3  # noqa: F401
import datasets  # noqa: F401
import peft  # noqa: F401
import torch  # noqa: F401
import transformers  # noqa: F401
import trl  # noqa: F401
from nightloom.processes.child import run_function
from transformers.models.llama import modeling_llama  # noqa: F401
from trl import SFTTrainer  # noqa: F401


def train(job: dict[str, Any]) -> None:
    os.environ.update(job["settings"])
    answer = run_function("trials.train:run_trial", job["arguments"])
    Path(job["answer"]).write_text(json.dumps(answer), encoding="utf-8")


def main() -> None:
    print("ready", flush=True)  # noqa: T201  # imports are done
    for line in sys.stdin:
        job = json.loads(line)
        process = os.fork()
        if process == 0:
            try:
                train(job)
            finally:
                os._exit(0)
        print(process, flush=True)  # noqa: T201  # the answer
        os.waitpid(process, 0)
        answer = Path(job["answer"])
        print(answer.read_text(encoding="utf-8") if answer.exists() else "{}", flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.path.remove(str(Path(__file__).parent))
    main()
