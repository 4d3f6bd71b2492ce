"""Scanners: what a text holds that a model should not learn or be told, and how a text is made clean."""
