"""The night, step by step: the functions that Airflow's tasks and the command line both call."""
