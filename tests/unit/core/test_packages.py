import pytest
from nightloom.core.packages import installed_packages, package_versions
from nightloom.processes.packages import worker_packages


@pytest.fixture(autouse=True)
def _uncached():
    worker_packages.cache_clear()
    yield
    worker_packages.cache_clear()


def test_packages_have_lower_case_names():
    assert installed_packages()["pydantic"].startswith("2.")
    assert all(name == name.lower() for name in installed_packages())


def test_missing_packages_are_left_out():
    assert package_versions("pydantic", "no-such-package") == {"pydantic": installed_packages()["pydantic"]}
