import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nightloom.core.digests import (
    canonical_json,
    code_digest,
    digest_bytes,
    digest_file,
    digest_json,
    digest_sources,
    merkle_root,
    parse_json,
    short,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def test_canonical_json_is_unique():
    assert canonical_json({"b": [1, 2.5, None], "a": "é"}) == '{"a":"é","b":[1,2.5,null]}'.encode()


@given(JSON)
def test_canonical_json_round_trips(value):
    assert parse_json(canonical_json(value)) == value


@given(st.dictionaries(st.text(), st.integers(), min_size=2))
def test_key_order_keeps_digest(value):
    assert digest_json(dict(reversed(value.items()))) == digest_json(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"], ids=["nan", "infinity", "lone surrogate"])
def test_non_json_value_is_refused(value):
    with pytest.raises(ValueError, match=r"JSON compliant|surrogates"):
        digest_json([value])


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"a": 1, "a": 2}', id="a key twice"),
        pytest.param("[NaN]", id="nan"),
        pytest.param("[-Infinity]", id="infinity"),
        pytest.param("[1e999]", id="infinity in digits"),
        pytest.param("[-1E+400]", id="negative infinity in digits"),
        pytest.param("[" * 100_000, id="nested too deeply"),
        pytest.param('{"a": 1} trailing', id="more than one value"),
        pytest.param("[" + "1" * 5000 + "]", id="a number of 5000 digits"),
        pytest.param('["\\ud800"]', id="lone surrogate"),
        pytest.param('{"\\uDFFF": 1}', id="lone surrogate in a key"),
        pytest.param('["\\ude00\\ud83d"]', id="surrogates in the wrong order"),
        pytest.param('{"a":' * 990 + "1" + "}" * 990, id="nested too deeply to be written"),
        pytest.param(b'["\xff"]', id="not UTF-8"),
        pytest.param('["a"]'.encode("utf-16"), id="UTF-16"),
        pytest.param('["\ud800"]', id="lone surrogate, not escaped"),
    ],
)
def test_outside_json_is_parsed_strictly(text):
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)


@given(st.recursive(st.text(st.sampled_from("a\ud83d\ude00")), lambda inner: st.lists(inner), max_leaves=4))
def test_parsed_json_can_be_written(value):
    text = json.dumps(value)
    try:
        canonical_json(json.loads(text))
    except ValueError:
        with pytest.raises(ValueError, match="surrogates"):
            parse_json(text)
    else:
        assert parse_json(text) == json.loads(text)


def test_many_shallow_brackets_are_accepted():
    assert parse_json("[" + "[]," * 1000 + "{}]") == [[]] * 1000 + [{}]


def test_escaped_surrogate_pair_is_accepted():
    assert parse_json('"\\ud83d\\ude00"') == "\U0001f600"


def test_file_digest_is_that_of_bytes(tmp_path):
    data = bytes(range(256)) * 10_000
    (tmp_path / "file").write_bytes(data)
    assert digest_file(tmp_path / "file") == digest_bytes(data) == hashlib.sha256(data).hexdigest()


def test_root_without_leaves_is_empty_digest():
    assert merkle_root(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_single_leaf_is_not_root():
    # Else a tree of one leaf and that leaf, an inner node perhaps, were one.
    leaf = hashlib.sha256(b"{}").digest()
    assert merkle_root(leaf) == hashlib.sha256(b"\x01" + leaf).hexdigest()


@pytest.mark.parametrize("count", [2, 1023, 1024, 1025, 5000])
def test_nodes_have_1024_children(count):
    leaves = [hashlib.sha256(b"%d" % number).digest() for number in range(count)]
    assert merkle_root(b"".join(leaves)) == root_by_definition(leaves).hex()


def test_nodes_as_leaves_change_root():
    leaves = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(1025))
    nodes = b"".join(hashlib.sha256(b"\x01" + part).digest() for part in (leaves[: 1024 * 32], leaves[1024 * 32 :]))
    assert merkle_root(nodes) != merkle_root(leaves)


@given(st.lists(st.binary(max_size=3), min_size=2, max_size=10, unique=True))
def test_leaf_order_changes_root(rows):
    leaves = [hashlib.sha256(row).digest() for row in rows]
    assert merkle_root(b"".join(leaves)) != merkle_root(b"".join(leaves[::-1]))


def test_code_digest_covers_every_file(tmp_path):
    package = tmp_path / "made_for_this_test"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "inner.py").write_text("x = 1")
    before = digest_sources(tmp_path, ["made_for_this_test"])
    (package / "inner.py").write_text("x = 2")
    assert digest_sources(tmp_path, ["made_for_this_test"]) != before


def test_module_and_package_digests_differ():
    assert code_digest("core.digests") != code_digest("core")


def test_name_order_keeps_digest():
    assert code_digest("prompts", "rendering") == code_digest("rendering", "prompts")


def test_missing_code_is_refused():
    with pytest.raises(ValueError, match="nowhere is neither a package nor a module"):
        code_digest("nowhere")


def test_short_digest_has_twelve_digits():
    assert short("0123456789abcdef") == "0123456789ab"


def root_by_definition(leaves, level=1):
    """Hash 1,024 digests at a time, and then the nodes, until one is left."""
    parts = [leaves[start : start + 1024] for start in range(0, len(leaves), 1024)]
    nodes = [hashlib.sha256(bytes([level]) + b"".join(part)).digest() for part in parts]
    return nodes[0] if len(nodes) == 1 else root_by_definition(nodes, level + 1)
