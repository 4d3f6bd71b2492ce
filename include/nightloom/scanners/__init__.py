"""Scanners: normalise texts, and find what a model must not learn or see."""
