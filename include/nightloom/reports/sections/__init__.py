"""Sections of the report: each a module with its facts, their reader and its figures, and the template beside it."""
