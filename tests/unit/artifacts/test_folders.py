"""Model folders in the store."""

import json
import os
import socket
import subprocess
from pathlib import Path

import pytest
from nightloom.artifacts.folders import fetch_folder, move_into_cache, put_folder
from nightloom.artifacts.models import ModelFile
from nightloom.core.errors import InputError, ManifestError
from nightloom.core.scratch import is_alive, scratch_folder
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
    (model / "model.safetensors").write_bytes(b"weights")
    return model


def test_folder_is_restored_unchanged(store: ObjectStore, folder: Path, tmp_path: Path) -> None:
    files = put_folder(store, folder)
    fetched = fetch_folder(store, files, tmp_path / "cache")
    assert [file.path for file in files] == ["config.json", "model.safetensors"]
    assert (fetched / "model.safetensors").read_bytes() == b"weights"


def test_changed_cache_file_is_fetched_again(store: ObjectStore, folder: Path, tmp_path: Path) -> None:
    files = put_folder(store, folder)
    fetch_folder(store, files, tmp_path / "cache")
    (tmp_path / "cache" / "model.safetensors").write_bytes(b"changed")
    fetch_folder(store, files, tmp_path / "cache")
    assert (tmp_path / "cache" / "model.safetensors").read_bytes() == b"weights"


@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "training_args.bin", "own.py", "model.pkl", "weights", "README.md", ".hidden.json"]
)
def test_other_files_are_left_out(store: ObjectStore, folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"x")
    assert [file.path for file in put_folder(store, folder)] == ["config.json", "model.safetensors"]


def test_subfolders_are_left_out(store: ObjectStore, folder: Path) -> None:
    for name in ("original", ".cache"):
        (folder / name).mkdir()
        (folder / name / "params.json").write_text("{}", encoding="utf-8")
    assert [file.path for file in put_folder(store, folder)] == ["config.json", "model.safetensors"]


@pytest.mark.parametrize("name", ["pytorch_model.bin", "adapter_model.bin", "consolidated.00.pth", "last.ckpt"])
def test_pickled_weights_are_refused(store: ObjectStore, folder: Path, name: str) -> None:
    (folder / "model.safetensors").rename(folder / name)
    with pytest.raises(InputError, match=f"{name} in .* is a pickle, .* save it again with `save_pretrained`"):
        put_folder(store, folder)


def test_cache_folder_keeps_model_files_only(
    store: ObjectStore, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTLOOM_VAR_DIR", str(tmp_path / "var"))
    get_settings.cache_clear()
    (folder / "README.md").write_text("about", encoding="utf-8")
    (folder / ".cache").mkdir()
    move_into_cache(folder, put_folder(store, folder), "0123")
    get_settings.cache_clear()
    assert not folder.exists()
    cached = tmp_path / "var" / "cache" / "models" / "0123"
    assert sorted(path.name for path in cached.iterdir()) == ["config.json", "model.safetensors"]


def test_model_with_code_is_refused(store: ObjectStore, folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"auto_map": {"AutoModel": "own.Own"}}), encoding="utf-8")
    with pytest.raises(InputError, match="asks for the model's own code"):
        put_folder(store, folder)


def test_empty_folder_is_refused(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="contains no model"):
        put_folder(store, tmp_path)


@pytest.mark.parametrize("path", ["../escape.json", "/etc/escape.json", "model.bin"])
def test_manifest_with_unsafe_path_is_refused(store: ObjectStore, tmp_path: Path, path: str) -> None:
    file = ModelFile(path=path, sha256=store.put_blob(b"x"), size_bytes=1)
    with pytest.raises(ManifestError, match="not a plain data file name"):
        fetch_folder(store, [file], tmp_path / "cache")
    assert not (tmp_path / "escape.json").exists()


def test_scratch_of_killed_process_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLOOM_VAR_DIR", str(tmp_path))
    get_settings.cache_clear()
    killed = subprocess.Popen(["sleep", "60"])
    killed.kill()
    killed.wait()
    host = socket.gethostname().replace("_", "-")
    names = [f"{host}_{killed.pid}_a", f"{host}_{os.getpid()}_b", f"elsewhere_{killed.pid}_c"]
    for name in names:
        (tmp_path / "scratch" / name).mkdir(parents=True)
    with scratch_folder() as lent:
        assert {path.name for path in lent.parent.iterdir()} == {*names[1:], lent.name}
    get_settings.cache_clear()


def test_zombie_process_is_dead() -> None:
    process = subprocess.Popen(["true"], stdout=subprocess.PIPE)
    try:
        assert process.stdout
        process.stdout.read()  # until it has ended, or is about to
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
        os.kill(process.pid, 0)
        assert not is_alive(process.pid)
    finally:
        process.communicate()
    assert is_alive(os.getpid())
