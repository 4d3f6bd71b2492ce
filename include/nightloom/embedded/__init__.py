"""The embedded services: SeaweedFS and Airflow as background processes, and `make nightly`, which runs a night."""
