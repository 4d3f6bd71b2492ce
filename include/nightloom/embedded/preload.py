"""Preload: import the libraries of tasks once, in the process that Airflow forks tasks from.

Python's fork server imports this module before it forks. A task then starts with Great Expectations loaded, which takes
four CPU seconds to import. No module of Nightloom is imported: a task must run the code that is on disk when it starts,
because digests of code describe that.
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
# The first S3 client reads the service's description, which takes a tenth of a second. boto3's default session keeps
# it, and tasks inherit that session. No request is made, and no task uses these keys.
boto3.client("s3", region_name="us-east-1", aws_access_key_id="unused", aws_secret_access_key="unused")  # noqa: S106
# Otherwise each task's first garbage collection would scan all of these objects (half a second) and copy their memory.
gc.freeze()
