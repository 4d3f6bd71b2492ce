"""Fixtures of more than one package's tests."""

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

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
    pretrain_starter(settings, folder, report=lambda line: None)
    return folder


@pytest.fixture
def tickets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An empty table of tickets on the connection `tickets`."""
    import sqlalchemy as sa

    url = f"sqlite:///{tmp_path / 'tickets.db'}"
    monkeypatch.setenv("NIGHTLOOM_CONN_TICKETS", url)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE tickets (id TEXT, updated_at TIMESTAMP, body TEXT, team TEXT)"))
    return engine


@pytest.fixture
def put_scores(store: Any) -> Callable[..., Any]:
    """Publish scores of a model by its values on items i000, i001, …; None: the item could not be scored."""
    import polars as pl
    from nightloom.artifacts.frames import OUTPUTS, SCORES, put_frame
    from nightloom.artifacts.models import ModelRef, TaskSpec
    from nightloom.artifacts.results import Scores, ScoresKey, ScoresResult
    from nightloom.evaluation.metrics import compute_metrics
    from nightloom.evaluation.scorers import ExactMatch, identify_scorer

    def put(
        model: str,
        values: Sequence[float | None],
        *,
        clusters: int | None = None,
        scorer: Any = None,
        field: str = "team",
    ) -> Scores:
        scorer, count = scorer or ExactMatch(), clusters or len(values)
        name = identify_scorer(scorer)
        lines = [(f"i{n:03}", f"c{n % count:03}", None, name, field, value, None) for n, value in enumerate(values)]
        frame = pl.DataFrame(lines, schema=SCORES, orient="row")
        key = ScoresKey(
            model=ModelRef(base=model),
            evalset=f"{len(values)} in {clusters}",
            task=TaskSpec(prompt="", output="json", answer={field: None}, field_order=(field,)),
            max_new_tokens=8,
            scorers=(name,),
            code="",
            packages={},
        )
        result = ScoresResult(
            frame=put_frame(store, frame, SCORES),
            outputs=put_frame(store, pl.DataFrame(schema=OUTPUTS), OUTPUTS),
            metrics=compute_metrics(frame, [scorer], [field]),
            seconds=0.1,
        )
        return store.publish(Scores(key=key, result=result))

    return put
