"""Validation: run Great Expectations suites over records and examples, and act on failures."""
