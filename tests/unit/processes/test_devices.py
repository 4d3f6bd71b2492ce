"""Devices: GPUs as listed by a driver, which is a shell script here."""

from collections.abc import Callable
from pathlib import Path

import pytest
from nightloom.processes.devices import list_devices

WHOLE = """\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-4f1d0000-0000-0000-0000-000000000001)
GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-4f1d0000-0000-0000-0000-000000000002)
"""
CUT = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-0a)
  MIG 3g.20gb     Device  0: (UUID: MIG-1a)
  MIG 3g.20gb     Device  1: (UUID: MIG-1b)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-0b)
"""

Drive = Callable[[str], None]


@pytest.fixture
def drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Drive:
    """Put an `nvidia-smi` that is a script on the path."""

    def drive(script: str) -> None:
        program = tmp_path / "nvidia-smi"
        program.write_text(f'#!/bin/sh\n[ "$1" = -L ] || exit 2\n{script}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return drive


def test_every_gpu_is_found(drive: Drive) -> None:
    drive(f"cat <<'END'\n{WHOLE}END")
    assert list_devices() == [f"GPU-4f1d0000-0000-0000-0000-00000000000{n}" for n in (1, 2)]


def test_mig_parts_are_found(drive: Drive) -> None:
    drive(f"cat <<'END'\n{CUT}END")
    assert list_devices() == ["MIG-1a", "MIG-1b", "GPU-0b"]


@pytest.mark.parametrize("script", ["echo 'driver/library version mismatch' >&2; exit 18", "echo No devices found."])
def test_failing_driver_has_no_device(drive: Drive, script: str) -> None:
    drive(script)
    assert list_devices() == []


def test_missing_driver_has_no_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list_devices() == []


@pytest.mark.parametrize(
    ("given", "devices"),
    [("1", ["1"]), ("GPU-4f1d, 3", ["GPU-4f1d", "3"]), ("", []), ("-1", []), ("0,-1,2", ["0"])],
)
def test_environment_limits_devices(
    drive: Drive, monkeypatch: pytest.MonkeyPatch, given: str, devices: list[str]
) -> None:
    drive(f"cat <<'END'\n{WHOLE}END")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert list_devices() == devices
