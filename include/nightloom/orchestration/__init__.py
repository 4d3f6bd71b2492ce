"""Orchestration: everything that knows Airflow: Dags, tasks, assets, alerts."""
