"""Intervals, paired tests and power: what stands between two scores and a verdict."""
