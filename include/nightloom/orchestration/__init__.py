"""Everything that knows Airflow: Dags, tasks, assets, alerts."""
