"""Validation: Great Expectations suites over records and examples, and what follows from a failure."""
