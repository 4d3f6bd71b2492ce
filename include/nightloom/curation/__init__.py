"""Curation: what becomes of each record on its way to a training set."""
