"""Prediction: the night's batch in shards, with exactly one terminal result a row."""
