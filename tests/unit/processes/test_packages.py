from types import SimpleNamespace

import pytest
from nightloom.core.packages import installed_packages
from nightloom.processes import packages
from nightloom.processes.packages import worker_packages


@pytest.fixture(autouse=True)
def _uncached():
    worker_packages.cache_clear()
    yield
    worker_packages.cache_clear()


def test_own_interpreter_lists_own_packages():
    assert worker_packages() == installed_packages()


def test_other_interpreter_lists_its_packages(monkeypatch):
    monkeypatch.setattr(packages, "get_settings", lambda: SimpleNamespace(worker_python="/opt/vllm/bin/python"))
    monkeypatch.setattr(packages, "in_child", lambda function: lambda: {"asked": function.__name__})
    assert worker_packages() == {"asked": "installed_packages"}
