"""Nightloom keeps fine-tuned language models fresh, every night, on Apache Airflow."""
