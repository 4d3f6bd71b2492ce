"""Evaluation: every model scored on the same items, and compared in pairs."""
