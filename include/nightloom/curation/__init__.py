"""Curation: give each record an outcome, and turn records into examples."""
