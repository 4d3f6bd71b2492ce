"""Evaluation: score models on the same items and compare them in pairs."""
