"""Base models from a server with the Hub's API."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from nightloom.artifacts.models import BaseModelManifest
from nightloom.base_models.freeze import freeze_base
from nightloom.core.errors import FaultError, InputError
from nightloom.core.store import ObjectStore

from tests.factories.hub_server import STALE, Hub, serve_hub

pytestmark = pytest.mark.torch

CARD = b"---\nlicense: apache-2.0\nlanguage: en\n---\n# Tiny\n"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with serve_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", f"{hub.address}/")
        monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield hub


def test_pinned_model_freezes_like_its_folder(store: ObjectStore, hub: Hub, tiny_model: Path) -> None:
    commit = hub.push("org/tiny", tiny_model, README__md=CARD, LICENSE=b"free")
    base = freeze_base(store, f"org/tiny@{commit}")
    manifest = store.load(BaseModelManifest, base)
    assert (manifest.provenance.source, manifest.provenance.license) == (f"org/tiny@{commit}", "apache-2.0")
    assert freeze_base(store, str(tiny_model)) == base


def test_frozen_pinned_model_asks_no_hub(store: ObjectStore, hub: Hub, tiny_model: Path) -> None:
    commit = hub.push("org/tiny", tiny_model)
    base = freeze_base(store, f"org/tiny@{commit}")
    hub.asked.clear()
    assert freeze_base(store, f"org/tiny@{commit}") == base
    assert hub.asked == []


def test_concurrent_freezes_fetch_once(store: ObjectStore, hub: Hub, tiny_model: Path) -> None:
    commit = hub.push("org/tiny", tiny_model)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: freeze_base(store, f"org/tiny@{commit}"), range(2))
    assert first == second
    assert sorted(hub.downloads()) == sorted(path.name for path in tiny_model.iterdir())


def test_branch_is_resolved_and_logged(
    store: ObjectStore, hub: Hub, tiny_model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    commit = hub.push("org/tiny", tiny_model)
    with caplog.at_level(logging.INFO, "nightloom"):
        base = freeze_base(store, "org/tiny@main")
    assert f"base org/tiny@main is commit {commit} today; write org/tiny@{commit} to pin it" in caplog.messages
    assert freeze_base(store, f"org/tiny@{commit}") == base


def test_only_model_files_are_fetched(store: ObjectStore, hub: Hub, tiny_model: Path) -> None:
    extra = {"pytorch_model__bin": b"x", "consolidated__safetensors": b"x", "model-q4__gguf": b"x", "own__py": b"x"}
    commit = hub.push("org/tiny", tiny_model, **extra, **{"original/params__json": b"{}", "onnx/model__onnx": b"x"})
    freeze_base(store, f"org/tiny@{commit}")
    assert sorted(hub.downloads()) == sorted(path.name for path in tiny_model.iterdir())


def test_unusable_model_fetches_no_weights(store: ObjectStore, hub: Hub, tiny_model: Path) -> None:
    commit = hub.push("org/tiny", tiny_model, config__json=b'{"model_type": "t5", "architectures": ["T5Model"]}')
    with pytest.raises(InputError, match="not a text-only causal language model"):
        freeze_base(store, f"org/tiny@{commit}")
    assert "model.safetensors" not in hub.downloads()


@pytest.mark.parametrize(
    ("base", "message"),
    [
        pytest.param("org/none@main", "the Hub shows no model org/none; .*HF_TOKEN is not set", id="no repository"),
        pytest.param("org/tiny@v9", "org/tiny has no revision 'v9'", id="no revision"),
        pytest.param(f"org/tiny@{'a' * 40}", "org/tiny has no revision 'aaaa", id="no commit"),
        pytest.param("org/tiny", "write org/tiny@ and a commit", id="not pinned"),
        pytest.param("org/gated@main", "accept them on the model's page, and set HF_TOKEN", id="gated"),
        pytest.param("org/pickled@main", "pytorch_model.bin in org/pickled@main is a pickle", id="pickle"),
        pytest.param("org/packed@main", "org/packed@main contains no model", id="no weights that are read"),
        pytest.param("org/..", "does not exist", id="no name"),
    ],
)
def test_fixable_hub_errors_are_named(
    store: ObjectStore, hub: Hub, tiny_model: Path, tmp_path: Path, base: str, message: str
) -> None:
    hub.push("org/tiny", tiny_model)
    hub.push("org/gated", tiny_model)
    hub.gated.add("org/gated")
    hub.push("org/pickled", tmp_path / "empty", config__json=b"{}", pytorch_model__bin=b"x")
    hub.push("org/packed", tmp_path / "empty", model__gguf=b"x")
    with pytest.raises(InputError, match=message):
        freeze_base(store, base)


def test_token_is_used_and_never_logged(
    store: ObjectStore,
    hub: Hub,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    commit = hub.push("org/gated", tiny_model)
    hub.gated.add("org/gated")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with caplog.at_level(logging.DEBUG):
        freeze_base(store, f"org/gated@{commit}")
    assert set(hub.tokens) == {"Bearer hf_secret"}
    assert "hf_secret" not in caplog.text


def test_expired_token_is_named(
    store: ObjectStore, hub: Hub, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = hub.push("org/tiny", tiny_model)
    monkeypatch.setenv("HF_TOKEN", STALE)
    for revision in ("main", commit):
        with pytest.raises(InputError, match=r"refuses org/tiny@.* for this token \(status 401\); set HF_TOKEN"):
            freeze_base(store, f"org/tiny@{revision}")


def test_failing_hub_download_resumes(store: ObjectStore, hub: Hub, tiny_model: Path) -> None:
    commit = hub.push("org/tiny", tiny_model)
    hub.failing = ("model.safetensors",)
    with pytest.raises(FaultError, match=r"could not be fetched from the Hub .*503"):
        freeze_base(store, f"org/tiny@{commit}")
    hub.failing = ()
    hub.asked.clear()
    freeze_base(store, f"org/tiny@{commit}")
    assert hub.downloads() == ["model.safetensors"]


def test_unreachable_hub_is_a_fault(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_hub() as gone:
        monkeypatch.setenv("HF_ENDPOINT", gone.address)
    with pytest.raises(FaultError, match=r"org/tiny@main could not be fetched from the Hub \(ConnectError\)"):
        freeze_base(store, "org/tiny@main")


def test_wrong_bytes_from_hub_are_refused(store: ObjectStore, hub: Hub, tiny_model: Path) -> None:
    commit = hub.push("org/tiny", tiny_model)
    hub.corrupt = {"model.safetensors"}
    with pytest.raises(FaultError, match=r"model.safetensors of .* has another SHA-256"):
        freeze_base(store, f"org/tiny@{commit}")
    hub.corrupt = set()
    assert freeze_base(store, f"org/tiny@{commit}") == freeze_base(store, str(tiny_model))


def test_offline_hub_serves_frozen_models(
    store: ObjectStore, hub: Hub, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = hub.push("org/tiny", tiny_model)
    base = freeze_base(store, f"org/tiny@{commit}")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert freeze_base(store, f"org/tiny@{commit}") == base
    with pytest.raises(InputError, match="HF_HUB_OFFLINE forbids fetching it"):
        freeze_base(store, "org/tiny@main")
