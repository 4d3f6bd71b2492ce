"""Tokens: rows too long for the model or changed by its tokenizer, and the bound by bytes."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nightloom.artifacts.data import TokenBudget
from nightloom.artifacts.folders import put_folder
from nightloom.artifacts.frames import HISTORY, RELEASES
from nightloom.artifacts.models import BaseModelContent, BaseModelManifest, BaseModelProvenance
from nightloom.artifacts.prompts import Prompt, PromptContent, PromptMessage, PromptProvenance
from nightloom.core.s3 import Bucket
from nightloom.core.store import ObjectStore
from nightloom.curation import rules
from nightloom.rendering import token_budget as module
from nightloom.rendering.token_budget import TokenBound, find_bound
from nightloom.rendering.tokenizer import load_tokenizer
from nightloom.rendering.tokens import TokenCount, TokenEncoder, find_lossless, open_encoder

from tests.conftest import MemoryS3

COLUMNS = {
    **dict.fromkeys(("row_id", "version", "outcome", "rule", "measured", "threshold", "into"), pl.String),
    "clean": pl.String,
    "clean_history": HISTORY,
    "clean_answer": pl.String,
}
ROLES = ("user", "assistant")
NO_RELEASES = pl.DataFrame(schema=RELEASES)


@pytest.fixture(scope="module")
def tiny_store(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[ObjectStore, str]:
    """A store with a tiny base model, whose context is 64 tokens, and the model's id."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTLOOM_VAR_DIR", str(tmp_path_factory.mktemp("var")))
        store = ObjectStore(Bucket(MemoryS3(), "bucket"))
        base = store.publish(
            BaseModelManifest(
                content=BaseModelContent(files=put_folder(store, tiny_model)),
                provenance=BaseModelProvenance(source="tiny"),
            )
        ).id
    return store, base


def make_rows(*rows: tuple[str, list[dict[str, str]] | None]) -> pl.DataFrame:
    lines = [
        {"row_id": f"T{n}", "version": "", "clean": text, "clean_history": turns, "clean_answer": '{"team":"sales"}'}
        for n, (text, turns) in enumerate(rows)
    ]
    return pl.DataFrame(lines, COLUMNS)


def make_budget(store: ObjectStore, base: str, content: str = "{{ text }}", most: int | None = None) -> TokenBudget:
    message = PromptMessage(role="user", content=content)
    prompt = store.publish(
        Prompt(content=PromptContent(messages=(message,)), provenance=PromptProvenance(name="triage/1"))
    )
    return TokenBudget(base=base, prompt=prompt.id, output="json", field_order=("team",), most=most)


def refuse_tokens(store: ObjectStore, rows: pl.DataFrame, budget: TokenBudget, releases: pl.DataFrame) -> pl.DataFrame:
    return rules.refuse_tokens(store, rows, budget, find_bound(store, budget), releases)


def test_row_beyond_context_is_refused(tiny_store: tuple[ObjectStore, str]) -> None:
    store, base = tiny_store
    rows = refuse_tokens(
        store, make_rows(("Hello", None), ("x y z " * 40, None)), make_budget(store, base), NO_RELEASES
    )
    assert rows["rule"].to_list() == [None, "too_many_tokens"]
    assert int(rows["measured"][1]) > int(rows["threshold"][1]) == 64


def test_smaller_budget_is_obeyed(tiny_store: tuple[ObjectStore, str]) -> None:
    store, base = tiny_store
    budget = make_budget(store, base, most=5)
    assert refuse_tokens(store, make_rows(("Hello", None)), budget, NO_RELEASES)["threshold"].to_list() == ["5"]


def test_earlier_turns_count(tiny_store: tuple[ObjectStore, str]) -> None:
    store, base = tiny_store
    turns = [{"content": "x y z " * 30, "role": "user"}, {"content": "Yes", "role": "assistant"}]
    rows = refuse_tokens(store, make_rows(("Hello", turns)), make_budget(store, base), NO_RELEASES)
    assert rows["rule"].to_list() == ["too_many_tokens"]


def test_roles_that_template_refuses_are_quarantined(
    tiny_store: tuple[ObjectStore, str], tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, base = tiny_store
    tokenizer = load_tokenizer(tiny_model)
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('none') }}{% endif %}{% endfor %}"
        + tokenizer.chat_template
    )
    monkeypatch.setattr(module, "_open_encoder", lambda *_: TokenEncoder(tokenizer, context=64))
    system, turns = {"content": "Be brief", "role": "system"}, [{"content": "Hi", "role": role} for role in ROLES]
    rows = make_rows(("plain", None), ("with turns", turns), ("with system", [system, *turns]))
    rows = rules.refuse_roles(store, rows, make_budget(store, base))
    assert rows.select("rule", "measured").rows() == [
        *[(None, None)] * 2,
        ("refused_by_template", "system,user,assistant"),
    ]


def test_lossy_text_is_refused(tiny_store: tuple[ObjectStore, str], monkeypatch: pytest.MonkeyPatch) -> None:
    store, base = tiny_store
    monkeypatch.setattr(TokenEncoder, "count", lambda *_: [TokenCount(3, round_trip=False)])
    monkeypatch.setattr(TokenBound, "may_fail", lambda _: pl.lit(value=True))
    rows = refuse_tokens(store, make_rows(("Hello", None)), make_budget(store, base), NO_RELEASES)
    assert rows.select("rule", "measured").rows() == [("round_trip", "another text")]


def test_released_row_passes(tiny_store: tuple[ObjectStore, str]) -> None:
    store, base = tiny_store
    releases = pl.DataFrame([("T0", "", "too_many_tokens")], RELEASES, orient="row")
    rows = refuse_tokens(store, make_rows(("x y z " * 40, None)), make_budget(store, base), releases)
    assert rows["outcome"].to_list() == [None]


def test_few_bytes_are_never_encoded(
    tiny_store: tuple[ObjectStore, str], tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, base = tiny_store
    encoder = TokenEncoder(load_tokenizer(tiny_model), context=2000)
    monkeypatch.setattr(module, "_open_encoder", lambda *_: encoder)
    monkeypatch.setattr(encoder, "count", None)
    rows = refuse_tokens(store, make_rows(("word " * 100, None)), make_budget(store, base), NO_RELEASES)
    assert rows["outcome"].to_list() == [None]


_texts = st.text(max_size=60) | st.sampled_from(["<|im_end|>" * 4, "a" * 50, "\u00e9" * 30])
_prompts = st.sampled_from(["{{ text }}", "Q: {{text}} {{ text }}", "{{ text|upper }}"])
_turns = st.none() | st.lists(st.fixed_dictionaries({"content": _texts, "role": st.just("user")}), max_size=2)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.lists(st.tuples(_texts, _turns), min_size=1, max_size=4), _prompts)
def test_byte_bound_agrees_with_encoding(
    tiny_store: tuple[ObjectStore, str], rows: list[tuple[str, list[dict[str, str]] | None]], content: str
) -> None:
    store, base = tiny_store
    frame, budget = make_rows(*rows), make_budget(store, base, content)
    quick = refuse_tokens(store, frame, budget, NO_RELEASES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TokenBound, "may_fail", lambda _: pl.lit(value=True))
        assert quick.equals(refuse_tokens(store, frame, budget, NO_RELEASES))


def test_byte_level_tokenizer_is_lossless(tiny_model: Path) -> None:
    assert find_lossless(load_tokenizer(tiny_model)) == "always"
    assert find_lossless(object()) == "unknown"


def test_count_equals_tokens_of_training(tiny_model: Path) -> None:
    encoder, tokenizer = open_encoder(tiny_model), load_tokenizer(tiny_model)
    chat = [{"role": "user", "content": "Hello you"}, {"role": "assistant", "content": "sales"}]
    assert encoder.context == 64
    assert encoder.count([]) == encoder.encode([]) == []
    assert encoder.count([chat])[0].tokens == len(tokenizer.apply_chat_template(chat)["input_ids"])
