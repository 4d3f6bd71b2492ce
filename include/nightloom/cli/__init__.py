"""The command line: the stages of the night and their results, without Airflow."""
