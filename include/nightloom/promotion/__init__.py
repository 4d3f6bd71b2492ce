"""Promotion: parity, gates, verdicts, and the moves of the champion ref."""
