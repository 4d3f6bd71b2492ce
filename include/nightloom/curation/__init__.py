"""Curation: assign each record an outcome, and turn records into examples."""
