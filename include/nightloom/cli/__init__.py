"""The command line: run nights without Airflow, and look at what they produced."""
