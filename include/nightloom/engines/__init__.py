"""Engines: text generation behind one Protocol: a dummy for tests and dry runs, and transformers."""
