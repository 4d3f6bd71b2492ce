"""Preload: the libraries of tasks, loaded once into the process that Airflow forks them from.

Python's fork server imports this module before it forks; it knows no other way to prepare it. A task then has
Great Expectations, which takes four seconds of a processor to load, at once. Nothing of ours is loaded: a task runs our
code as it is on disk when the task starts, which is what digests of code describe.
"""

import gc
from importlib import import_module

LIBRARIES = (
    "airflow.executors.local_executor",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.dag_processing.dagbag",
    "sqlalchemy.dialects.sqlite",
    "pydantic_settings",
    "polars",
    "pyarrow",
    "boto3",
    "great_expectations",
)

for _library in LIBRARIES:
    import_module(_library)
# Else each task would look through all of it for garbage, which takes half a second, and copy it on the way.
gc.freeze()
