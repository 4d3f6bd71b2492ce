"""Snapshots: training data and eval sets, frozen and checked."""
