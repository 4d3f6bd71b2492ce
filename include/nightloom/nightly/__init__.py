"""Nightly: the steps of a night, called by Airflow's tasks and by the command line."""
