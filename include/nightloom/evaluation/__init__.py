"""Evaluation: every model scored on the same items, compared in pairs, and a verdict."""
