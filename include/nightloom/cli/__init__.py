"""The command line: run nights without Airflow, and look at what they produced.

Commands import what they need in their functions: `nightloom --help` must not load Polars, torch or a database.
"""
