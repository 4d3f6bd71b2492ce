"""Calls: the key covers all parts and nothing else, and the wire format is pinned."""

import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from nightloom.artifacts.answers import Answer, EngineKey, Parameters, Request, digest_call, fix_seed
from nightloom.artifacts.models import ModelRef

from tests.factories.asking import make_request

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "answers.json").read_text(encoding="utf-8"))
ENGINE = EngineKey(model=ModelRef(base="b" * 64), code="c" * 64, packages={"torch": "2.13.0"})

few = st.sampled_from
engines = st.builds(
    EngineKey,
    model=st.builds(ModelRef, base=few(["b" * 64, "d" * 64]), adapter=few([None, "a" * 64])),
    code=few(["c" * 64, "e" * 64]),
    packages=few([{"torch": "2.13.0"}, {"torch": "2.14.0"}]),
)
requests = st.builds(
    Request,
    messages=st.lists(st.fixed_dictionaries({"role": few(["user", "system"]), "content": few(["a", "b"])}), min_size=1),
    parameters=st.builds(
        Parameters,
        max_completion_tokens=few([1, 2]),
        temperature=few([0, 1]),
        top_p=few([0.5, 1]),
        seed=few([None, 1]),
        sample=few([0, 1]),
        stop=few([(), ("\n",)]),
        tools=few([(), ({"type": "function"},)]),
        top_logprobs=few([None, 0]),
        embedding=st.booleans(),
    ),
    json_schema=few([None, {"type": "object"}]),
)


@given(st.lists(st.tuples(engines, requests), min_size=2, max_size=5))
def test_keys_differ_exactly_as_parts_do(calls: list[tuple[EngineKey, Request]]) -> None:
    keys = [digest_call(engine.digest, request) for engine, request in calls]
    for one, key in zip(calls, keys, strict=True):
        assert [other == key for other in keys] == [other == one for other in calls]


@given(engines, requests, st.data())
def test_each_part_changes_key(engine: EngineKey, request: Request, data: st.DataObject) -> None:
    name = data.draw(few(sorted(Parameters.model_fields)))
    changed = data.draw(
        requests.filter(lambda other: getattr(other.parameters, name) != getattr(request.parameters, name))
    )
    parameters = request.parameters.model_copy(update={name: getattr(changed.parameters, name)})
    other = request.model_copy(update={"parameters": parameters})
    assert digest_call(engine.digest, request) != digest_call(engine.digest, other)


def test_message_order_changes_key() -> None:
    first, second = {"role": "user", "content": "a"}, {"content": "b", "role": "user"}
    parameters = Parameters(max_completion_tokens=8)

    def key(*messages: dict[str, Any]) -> str:
        return digest_call(ENGINE.digest, Request(messages=messages, parameters=parameters))

    assert key(first, second) != key(second, first)
    assert key({"content": "a", "role": "user"}) == key(first)


def test_default_parameter_keeps_key() -> None:
    named = make_request("a", temperature=0, stop=(), seed=None)
    assert digest_call(ENGINE.digest, named) == digest_call(ENGINE.digest, make_request("a"))


def test_keys_are_pinned() -> None:
    """Keys are used for years: a changed key invalidates all cached answers."""
    assert {name: digest_call(ENGINE.digest, Request(**one["request"])) for name, one in GOLDEN.items()} == {
        name: one["key"] for name, one in GOLDEN.items()
    }


def test_answers_round_trip() -> None:
    assert len(GOLDEN) == 4
    for one in GOLDEN.values():
        answer = Answer.model_validate(one["answer"])
        assert json.loads(answer.model_dump_json(exclude_defaults=True)) == one["answer"]


def test_sampling_seed_follows_from_key() -> None:
    sampled = fix_seed(make_request("a", temperature=1), "0000002a" + "f" * 56)
    assert sampled == make_request("a", temperature=1, seed=42)


def test_given_seed_is_kept() -> None:
    for request in (make_request("a", temperature=1, seed=7), make_request("a")):
        assert fix_seed(request, "0000002a" + "f" * 56) == request
