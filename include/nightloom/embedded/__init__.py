"""The embedded services: SeaweedFS and Airflow as processes with one owner, and a night followed through them."""
