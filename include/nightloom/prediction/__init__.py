"""Prediction: answer the night's rows in shards, with exactly one terminal result per row."""
