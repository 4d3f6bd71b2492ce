"""Device leases: each process has its own GPUs, and those of dead processes are reclaimed."""

import socket
import subprocess
import sys
import threading
from datetime import timedelta

import psutil
import pytest
from nightloom.core.errors import InputError
from nightloom.processes import device_leases as devices
from nightloom.processes.device_leases import lease_devices, on_device
from nightloom.processes.devices import list_devices
from nightloom.registry.database import Database
from nightloom.registry.leases import drop_lease, read_lease, take_lease

SCOPE = f"device/{socket.gethostname()}"[:100]
DAY = timedelta(days=1)


def list_leased(registry: Database) -> list[str]:
    return [device for device in ("GPU-a", "GPU-b") if read_lease(registry, SCOPE, device)]


@pytest.fixture(autouse=True)
def _two_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b")
    monkeypatch.setattr(devices, "_ASK_AGAIN_S", 0.01)


@pytest.fixture
def other() -> str:
    """A process that lives as long as the test's parent does, and holds devices."""
    return devices._name_process(psutil.Process().ppid())


def test_device_is_leased_and_released(registry: Database) -> None:
    with lease_devices(registry, 1) as leased:
        assert leased == ["GPU-a"]
        assert list_leased(registry) == ["GPU-a"]
    assert list_leased(registry) == []


def test_device_is_released_after_failure(registry: Database) -> None:
    with pytest.raises(KeyError), lease_devices(registry, 2):
        raise KeyError
    assert list_leased(registry) == []


def test_device_of_another_is_skipped(registry: Database, other: str) -> None:
    take_lease(registry, SCOPE, ["GPU-a"], other, DAY)
    with lease_devices(registry, 1) as leased:
        assert leased == ["GPU-b"]


def test_waiting_for_two_holds_none(registry: Database, other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    take_lease(registry, SCOPE, ["GPU-b"], other, DAY)
    asked = threading.Event()
    monkeypatch.setattr(devices.time, "sleep", lambda _: asked.set())
    got: list[str] = []

    def lease() -> None:
        with lease_devices(registry, 2) as leased:
            got.extend(leased)

    waiting = threading.Thread(target=lease)
    waiting.start()
    assert asked.wait(30)
    drop_lease(registry, SCOPE, "GPU-b", other)
    waiting.join()
    assert got == ["GPU-a", "GPU-b"]


def test_devices_of_dead_process_are_reclaimed(registry: Database) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as killed:
        holder = devices._name_process(killed.pid)
        take_lease(registry, SCOPE, ["GPU-a", "GPU-b"][:1], holder, DAY)
        assert devices._is_alive(holder)
        killed.kill()
    with lease_devices(registry, 1) as leased:
        assert leased == ["GPU-a"]


def test_reused_process_id_is_another_holder(other: str) -> None:
    words = other.split()
    assert not devices._is_alive(f"process {words[1]} since {float(words[3]) - 3600:.0f}")


def test_too_many_devices_is_input_error(registry: Database) -> None:
    with pytest.raises(InputError, match="needs 3 GPUs, but this machine has 2; lower NIGHTLOOM_PROCESSES"):
        lease_devices(registry, 3).__enter__()


def test_machine_without_device_leases_nothing(registry: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with lease_devices(registry, 4) as leased:
        assert leased == []


def test_child_sees_its_device_only(registry: Database, other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    take_lease(registry, SCOPE, ["GPU-a"], other, DAY)
    monkeypatch.setattr(devices, "open_database", lambda: registry)
    assert on_device(list_devices)() == ["GPU-b"]
    assert list_leased(registry) == ["GPU-a"]
