"""The extensions of this folder, registered as an installed package registers its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.factories.extensions import installed

# What a model is scored with.
from tests.unit.evaluation.conftest import make_blueprint, make_eval_set, scripted  # noqa: F401

ENTRY_POINTS = """
[nightloom.scorers]
answer_length = tests.unit.extension.answer_length:SCORER
[nightloom.sources]
mailbox = tests.unit.extension.mailbox_source:read_mailbox
[nightloom.scanners]
order_numbers = tests.unit.extension.order_numbers:SCANNER
[nightloom.report_sections]
unanswered = tests.unit.extension.unanswered:SECTION
"""


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path) -> Iterator[None]:
    with installed(tmp_path, ENTRY_POINTS):
        yield
