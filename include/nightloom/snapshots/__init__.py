"""Snapshots: training data and eval sets, frozen, checked, and measured against what was planted in them."""
