"""Sections of the report: one module each with facts, reader and figures, and a template next to it."""
