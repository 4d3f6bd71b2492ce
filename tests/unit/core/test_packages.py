from types import SimpleNamespace

import pytest
from nightloom.core import packages
from nightloom.core.packages import installed_packages, package_versions, worker_packages


@pytest.fixture(autouse=True)
def _asked_anew():
    worker_packages.cache_clear()
    yield
    worker_packages.cache_clear()


def test_all_packages_are_known_by_their_lower_case_name():
    assert installed_packages()["pydantic"].startswith("2.")
    assert all(name == name.lower() for name in installed_packages())


def test_packages_that_are_not_installed_are_left_out():
    assert package_versions("pydantic", "no-such-package") == {"pydantic": installed_packages()["pydantic"]}


def test_the_workers_packages_are_ours_where_it_is_our_interpreter():
    assert worker_packages() == installed_packages()


def test_another_interpreter_is_asked_itself(monkeypatch):
    monkeypatch.setattr(packages, "get_settings", lambda: SimpleNamespace(worker_python="/opt/vllm/bin/python"))
    monkeypatch.setattr(packages, "run_in_worker", lambda step: {"asked": step})
    assert worker_packages() == {"asked": "core.packages:installed_packages"}
