"""Preload: the libraries of tasks, loaded once into the process that Airflow forks them from.

Python's fork server imports this module before it forks; it knows no other way to prepare it. A task then has
Great Expectations, which takes four seconds of a processor to load, at once. Nothing of ours is loaded: a task runs our
code as it is on disk when the task starts, which is what digests of code describe.
"""

import gc
from importlib import import_module

import boto3

LIBRARIES = (
    "airflow.executors.local_executor",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.sdk.definitions.retry_policy",
    "airflow.dag_processing.dagbag",
    "sqlalchemy.dialects.sqlite",
    "pydantic_settings",
    "polars",
    "polars_hash",
    "pyarrow.parquet",
    "blake3",
    "great_expectations",
)

for _library in LIBRARIES:
    import_module(_library)
# The first client of S3 reads the service's description, a tenth of a second. It is kept with boto3's default session,
# which tasks inherit. No request is made, and no task uses these keys.
boto3.client("s3", region_name="us-east-1", aws_access_key_id="unused", aws_secret_access_key="unused")  # noqa: S106
# Else each task would look through all of it for garbage, which takes half a second, and copy it on the way.
gc.freeze()
