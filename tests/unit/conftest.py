"""Fixtures of more than one package's tests."""

import os
import tempfile
from pathlib import Path

import pytest

# Airflow writes its configuration into its home as soon as a test module imports it.
os.environ["AIRFLOW_HOME"] = str(Path(tempfile.gettempdir()) / f"nightloom-tests-airflow-{os.getuid()}")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a starter too small to know anything, made once."""
    from nightloom.base_models.starter import StarterSettings, pretrain_starter

    folder = tmp_path_factory.mktemp("tiny-model")
    settings = StarterSettings(
        vocabulary=300, hidden=32, layers=1, heads=2, inner=64, context=64, steps=3, rows=2, row_tokens=32
    )
    pretrain_starter(settings, folder, tell=lambda line: None)
    return folder
