"""Console: the pages in Airflow's UI."""
