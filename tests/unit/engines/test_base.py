"""Unsupported parts of a request are named."""

from typing import Any

import pytest
from nightloom.artifacts.answers import Request
from nightloom.core.errors import InputError
from nightloom.engines.base import read_texts

from tests.factories.asking import make_request

KNOWN = {"max_completion_tokens"}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            {"parameters": make_request("a", temperature=1, stop=("\n",)).parameters},
            "does not support stop, temperature;",
        ),
        ({"json_schema": {"type": "object"}}, "does not support json_schema;"),
        ({"messages": ({"role": "tool", "content": "a", "tool_call_id": "1"},)}, "does not support tool_call_id;"),
        ({"messages": ({"role": "user", "content": [{"type": "text", "text": "a"}]},)}, "a text as content"),
    ],
    ids=["parameters", "schema", "tool message", "parts"],
)
def test_unsupported_request_is_named(change: dict[str, Any], named: str) -> None:
    request = make_request("a").model_copy(update=change)
    with pytest.raises(InputError, match=f"the dummy engine .*{named}"):
        read_texts([make_request("a"), request], "dummy", KNOWN)


def test_refusal_does_not_quote_text() -> None:
    with pytest.raises(InputError) as refused:
        read_texts(
            [Request(messages=({"role": "user", "content": ["Ann"]},), parameters=make_request("").parameters)],
            "dummy",
            KNOWN,
        )
    assert "Ann" not in str(refused.value)


def test_texts_are_read_unchanged() -> None:
    assert read_texts([make_request(" a\n")], "dummy", KNOWN) == [[{"role": "user", "content": " a\n"}]]
