"""Snapshots: freeze, verify, export, compare, erase and clean up training data."""
